from __future__ import annotations

import asyncio
import json
import os
import signal

import pytest

from roost.cli._output import Output
from roost.cli._perform import perform
from roost.errors import BadUsage


def test_body_decides_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    """The result goes to standard output, a note to standard error, and the body's code is the exit code."""

    async def body(output: Output) -> int:
        output.note("busy")
        output.result({}, "done [x] :smile:")
        return 3

    assert perform("up", body) == 3
    assert capsys.readouterr() == ("done [x] :smile:\n", "busy\n")


def test_roosts_error_is_a_message_and_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    """One of roost's errors is told in two lines on standard error."""

    async def body(_: Output) -> int:
        raise BadUsage(reason="No [such] thing", remedy="try another")

    assert perform("up", body) == 2
    assert capsys.readouterr() == ("", "error: No [such] thing\nhint: try another\n")


def test_other_error_says_how_to_see_more(capsys: pytest.CaptureFixture[str]) -> None:
    """An error that is not roost's is told by its type, without a traceback."""

    async def body(_: Output) -> int:
        raise KeyError

    assert perform("up", body) == 1
    assert capsys.readouterr().err == "error: KeyError\nhint: see where it came from with --traceback\n"


def test_traceback_is_shown_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """With --traceback the origin is shown before the message."""

    async def body(_: Output) -> int:
        raise ValueError("bad")

    assert perform("up", body, traceback=True) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert "error: ValueError: bad" in lines


def test_error_is_one_document_with_json(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json an error too is one document on standard output."""

    async def body(_: Output) -> int:
        raise BadUsage(reason="No", remedy="try")

    assert perform("down", body, json=True) == 2
    assert json.loads(capsys.readouterr().out) == {
        "schema_version": 1,
        "command": "down",
        "exit_code": 2,
        "error": {"type": "BadUsage", "message": "No", "hint": "try"},
    }


@pytest.mark.parametrize(("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")])
def test_signal_cancels_the_body(number: signal.Signals, code: int, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A signal cancels the body, which may clean up, and the exit code is 128 and the signal's number."""
    cleaned: list[bool] = []

    async def body(_: Output) -> int:
        os.kill(os.getpid(), number)
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)
        return 0

    assert perform("up", body) == code
    assert (cleaned, capsys.readouterr().err) == ([True], f"{word}\n")


def test_body_may_end_well_after_a_signal() -> None:
    """A body for which a signal is the regular end returns its own code."""

    async def body(_: Output) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return 0
        return 1

    assert perform("demo", body) == 0


@pytest.mark.parametrize("code", [0, 3])
def test_code_that_ends_the_process_is_an_error(code: int, capsys: pytest.CaptureFixture[str]) -> None:
    """A plugin or a step that calls sys.exit does not choose the exit code: the work is not done, and that is told."""

    async def body(_: Output) -> int:
        raise SystemExit(code)

    assert perform("up", body) == 1
    assert capsys.readouterr().err.startswith(f"error: SystemExit: {code}\n")
