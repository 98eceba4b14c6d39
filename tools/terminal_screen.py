"""Runs a command on a terminal of its own, and tells what is on its screen in the end."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

_CONTROL = re.compile(r"\x1b\[(?P<arguments>[?\d;]*)(?P<final>[A-Za-z])|(?P<plain>[\r\n])")
_HIGH_ENOUGH = 60


def run_on_terminal(command: Sequence[str], *, directory: Path, environment: Mapping[str, str], width: int) -> tuple[int, str]:
    """Run a command to its end.

    Args:
        command: Its words.
        directory: Where it runs.
        environment: All of its environment.
        width: Columns of the terminal.

    Returns:
        Its exit code, and all that it wrote, with the terminal's control sequences.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _HIGH_ENOUGH, width, 0, 0))
    process = subprocess.Popen(
        command, cwd=directory, stdin=theirs, stdout=theirs, stderr=theirs, env={**environment, "TERM": "xterm-256color"}, close_fds=True
    )
    os.close(theirs)
    written = b""
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not chunk:
            break
        written += chunk
    os.close(ours)
    return process.wait(), written.decode()


def screen_of(written: str) -> str:
    """Return the lines that are left on the screen, with their colours: what was drawn over, as bars are, is there as it was last.

    Raises:
        ValueError: It holds a control sequence of another kind than bars need.
    """
    lines, row, end = [""], 0, 0
    for match in _CONTROL.finditer(written):
        lines[row] += written[end : match.start()]
        end = match.end()
        if match["plain"] == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif match["plain"] == "\r" or match["final"] in ("h", "l"):  # to a line's begin, which is erased then; the cursor hidden, shown
            continue
        elif match["final"] == "m":
            lines[row] += match[0]
        elif match["final"] == "A":
            row = max(row - int(match["arguments"] or 1), 0)
        elif match["final"] == "K":
            lines[row] = ""
        else:
            raise ValueError(f"no one knows what {match[0]!r} does to a screen")
    lines[row] += written[end:]
    return "\n".join(lines).rstrip("\n")
