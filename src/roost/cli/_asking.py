"""Asks a person at the terminal."""

from __future__ import annotations

import signal
import sys


def is_yes(answer: str | None) -> bool:
    """Tell whether an answer of `ask` is a yes; everything else is none."""
    return answer is not None and answer.strip().lower() in {"y", "yes"}


def ask(question: str) -> str | None:
    """Ask on standard error and read a line from standard input; SIGTERM ends the process meanwhile.

    Args:
        question: The text, up to where the answer is typed.

    Returns:
        The answer; None where standard input is no terminal.

    Raises:
        KeyboardInterrupt: The person pressed Ctrl-C.
    """
    if not sys.stdin.isatty():
        return None
    # asyncio's handlers would only note the signals for a task that is not running while a line is read.
    interrupted = signal.signal(signal.SIGINT, signal.default_int_handler)
    terminated = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        sys.stderr.write(question)
        sys.stderr.flush()
        return sys.stdin.readline()
    finally:
        signal.signal(signal.SIGTERM, terminated)
        signal.signal(signal.SIGINT, interrupted)
