"""A runtime as a whole process: signals, exit codes, and what standard error says."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PROGRAM = """
import asyncio, sys
from roost import Runtime, Service

class First(Service):
    async def start(self): print("+first", flush=True)
    async def stop(self): print("-first", flush=True)

class Second(Service):
    def __init__(self, first: First): pass
    async def start(self):
        print("+second", flush=True)
        if "hang-start" in sys.argv: await asyncio.Event().wait()
        if "fail" in sys.argv: raise ValueError("no room")
    async def stop(self):
        print("-second", flush=True)
        if "hang-stop" in sys.argv: await asyncio.Event().wait()

class Third(Service):
    def __init__(self, second: Second): pass
    async def start(self): print("ready", flush=True)
    async def run(self):
        if "crash" in sys.argv: raise OSError("the disk is gone")
        await asyncio.Event().wait()

if __name__ == "__main__":
    sys.exit(Runtime(services=[Third, Second, First]).main())
"""


@contextmanager
def running(*arguments: str, until: str = "ready") -> Iterator[subprocess.Popen[str]]:
    """Run the program until it prints a line; what it prints before is checked by nobody."""
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        while (line := process.stdout.readline().strip()) != until:
            assert line, process.communicate()
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_in_reverse_order(number: signal.Signals) -> None:
    """The exit code is 0, and nothing is complained of."""
    with running() as process:
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert (out.split(), err, process.returncode) == (["-second", "-first"], "", 0)


def test_a_signal_while_starting_undoes_the_start() -> None:
    """What had started is stopped; the exit code is 0."""
    with running("hang-start", until="+second") as process:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert (out.split(), err, process.returncode) == (["-first"], "", 0)


def test_a_second_signal_ends_it_at_once() -> None:
    """With a service that hangs in its stop: the exit code is 128 and the signal's number."""
    with running("hang-stop") as process:
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        assert process.stdout.readline() == "-second\n"
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (143, "forced to end; services were not stopped\n")


@pytest.mark.parametrize(
    ("argument", "lines"),
    [
        ("fail", ["error: Service second failed to start: no room", "caused by: ValueError: no room"]),
        ("crash", ["error: Service third crashed: the disk is gone", "caused by: OSError: the disk is gone"]),
    ],
)
def test_an_error_is_told_without_a_traceback(argument: str, lines: list[str]) -> None:
    """A start that fails and a crash end the process with 1 and two lines."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, argument], capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stderr.splitlines()) == (1, lines)
    assert done.stdout.split()[-1] == "-first"


def test_the_command_line_runs_it_too(tmp_path: Path) -> None:
    """`roost run module:runtime` says when it is started and obeys the same signals."""
    program = PROGRAM.replace("Runtime(services=[Third, Second, First]).main()", "0") + "\nruntime = Runtime(services=[First])\n"
    (tmp_path / "hosted.py").write_text(program, "utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "roost.cli", "run", "hosted:runtime"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert "started" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert (out.split(), err.splitlines(), process.returncode) == (["+first", "-first"], ["stopping", "stopped"], 0)
