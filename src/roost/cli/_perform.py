"""Runs a command's coroutine and turns its end into an exit code: no traceback unless asked for, signals obeyed."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable
from traceback import format_exception

from roost.cli._error_codes import exit_code_of
from roost.cli._json_log import logging_json
from roost.cli._options import LogFormat
from roost.cli._output import Output


def perform(
    command: str, body: Callable[[Output], Awaitable[int]], *, json: bool = False, traceback: bool = False, log_format: LogFormat = "text"
) -> int:
    """Run a command.

    Args:
        command: Its name.
        body: Does the work and returns the exit code. Ctrl-C and SIGTERM cancel it; what it returns after that counts.
        json: Whether the result is one JSON document.
        traceback: Whether an error shows where it came from.
        log_format: How standard error is written.

    Returns:
        The exit code.
    """
    with logging_json() if log_format == "json" else contextlib.nullcontext():
        return _performed(body, Output(command, json=json, log_format=log_format), traceback=traceback)


def _performed(body: Callable[[Output], Awaitable[int]], output: Output, *, traceback: bool) -> int:
    terminated: list[int] = []
    from roost.runtime import ended_with_its_tasks  # noqa: PLC0415 -- `roost --help` needs no runtime

    with ended_with_its_tasks() as runner:
        try:
            return runner.run(_obeying(body, output, terminated))
        except KeyboardInterrupt:
            output.note("interrupted")
            return 128 + signal.SIGINT
        except asyncio.CancelledError:
            output.note("terminated")
            return 128 + (terminated[0] if terminated else signal.SIGTERM)
        except (Exception, SystemExit) as error:  # noqa: BLE001 -- a person gets a sentence, whatever went wrong, or wants to end it all
            if traceback:
                output.note("".join(format_exception(error)).rstrip())
            code = exit_code_of(error)
            output.error(error, exit_code=code)
            return code


async def _obeying(body: Callable[[Output], Awaitable[int]], output: Output, terminated: list[int]) -> int:
    """Let SIGTERM cancel the command, as asyncio's runner lets Ctrl-C."""
    task = asyncio.current_task()

    def terminate() -> None:
        terminated.append(signal.SIGTERM)
        if task is not None:
            task.cancel()

    loop = asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError):  # Windows has no such handlers
        loop.add_signal_handler(signal.SIGTERM, terminate)
    try:
        return await body(output)
    finally:
        with contextlib.suppress(NotImplementedError):
            loop.remove_signal_handler(signal.SIGTERM)
