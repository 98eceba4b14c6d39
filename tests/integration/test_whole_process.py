"""A runtime as a whole process: signals, exit codes, and what standard error says."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.plugins.build import BOUND

PROGRAM = """
import asyncio, sys, time
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
    stop_timeout = 0.1 if "deaf" in sys.argv else None
    def __init__(self, second: Second): pass
    async def start(self): print("ready", flush=True)
    async def run(self):
        if "crash" in sys.argv: raise OSError("the disk is gone")
        if "block" in sys.argv:
            print("blocked", flush=True)
            while True:
                time.sleep(0.01)
                print(time.monotonic_ns(), flush=True)
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if "deaf" not in sys.argv: raise

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


def until_heard(process: subprocess.Popen[str], *, sent_at: int) -> None:
    """Wait until a blocked loop must have heard of a signal: it has slept twice since. Two signals that nobody has heard yet are one."""
    assert process.stdout is not None
    for _ in range(2):
        while int(process.stdout.readline()) < sent_at:
            pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_in_reverse_order(number: signal.Signals) -> None:
    """The exit code is 0, and nothing is complained of."""
    with running() as process:
        process.send_signal(number)
        out, err = process.communicate(timeout=BOUND)
    assert (out.split(), err, process.returncode) == (["-second", "-first"], "", 0)


def test_a_signal_while_starting_undoes_the_start() -> None:
    """What had started is stopped; the exit code is 0."""
    with running("hang-start", until="+second") as process:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=BOUND)
    assert (out.split(), err, process.returncode) == (["-first"], "", 0)


def test_a_second_signal_ends_it_at_once() -> None:
    """With a service that hangs in its stop: the exit code is 128 and the signal's number."""
    with running("hang-stop") as process:
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        assert process.stdout.readline() == "-second\n"
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=BOUND)
    assert process.returncode == 143
    assert err.startswith("forced to end; services were not stopped. The event loop stood at:\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_though_the_loop_is_blocked(number: signal.Signals) -> None:
    """A service that blocks the whole event loop keeps nobody from forcing an end, and the line on which it stands is shown."""
    with running("block", until="blocked") as process:
        process.send_signal(number)
        until_heard(process, sent_at=time.monotonic_ns())
        process.send_signal(number)
        _, err = process.communicate(timeout=BOUND)
    assert process.returncode == 128 + number
    assert re.search(r'File "<string>", line 2[789], in run', err)


def test_a_service_that_never_obeys_does_not_keep_the_process() -> None:
    """It is named in the error, and the process ends without it, with 1."""
    with running("deaf") as process:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=BOUND)
    assert (out.split(), process.returncode) == (["-second", "-first"], 1)
    first, *_, last = err.splitlines()
    assert first.startswith("error: Not everything stopped cleanly: third: The stop of third did not end within 0.1 s")
    assert last == "the process ends without waiting for tasks that do not obey their cancellation: roost third.run"


@pytest.mark.parametrize(
    ("argument", "line"),
    [
        ("fail", "error: Service second failed to start: ValueError: no room (<string>:14 in Second.start)"),
        ("crash", "error: Service third crashed: OSError: the disk is gone (<string>:24 in Third.run)"),
    ],
)
def test_an_error_is_told_in_a_line(argument: str, line: str) -> None:
    """A start that fails and a crash end the process with 1, and with what happened, where and why; only a crash is logged as well."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, argument], capture_output=True, text=True, timeout=BOUND, check=False)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, line)
    assert done.stderr.startswith("error: " if argument == "fail" else "service third crashed (stop)\nTraceback")
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
        out, err = process.communicate(timeout=BOUND)
    finally:
        process.kill()
    assert (out.split(), err.splitlines(), process.returncode) == (
        ["+first", "-first"],
        ["stopping; Ctrl-C again ends it at once", "stopped"],
        0,
    )
