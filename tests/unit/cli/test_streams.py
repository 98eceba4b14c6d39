"""Streams that are closed, broken, full, or poor in letters, each of a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from roost.cli._streams import PatientStream

FULL = Path("/dev/full")
PERFORM = """
import sys
from roost.cli._perform import perform
from roost.cli._streams import supply_missing

async def body(output):
    for number in range(3):
        output.note(f"at work {number}")
    output.result({"done": True}, "─ done")
    print("worked", file=open(sys.argv[1], "w"))
    return 3

supply_missing()
sys.exit(perform("up", body, json="--json" in sys.argv))
"""


def perform_with(tmp_path: Path, shell: str, *words: str, **environment: str) -> tuple[int, bool, str]:
    """Run the command above in a shell that does something to its streams; returns the exit code, whether it worked, and what is told."""
    mark = tmp_path / "mark"
    done = subprocess.run(
        ["/bin/sh", "-c", f'"$@" {shell}', "sh", sys.executable, "-c", PERFORM, str(mark), *words],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )
    return done.returncode, mark.exists(), done.stdout + done.stderr


@pytest.mark.parametrize("words", [(), ("--json",)])
@pytest.mark.parametrize("shell", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_matter(shell: str, words: tuple[str, ...], tmp_path: Path) -> None:
    """A command whose streams are closed does its work, and its exit code is its own."""
    code, worked, told = perform_with(tmp_path, shell, *words)
    assert (code, worked) == (3, True)
    assert "Traceback" not in told


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_pipes_that_nobody_reads_are_no_matter(words: tuple[str, ...], tmp_path: Path) -> None:
    """A command goes on when whoever read what it says has gone: neither its work nor its exit code depends on that."""
    mark = tmp_path / "mark"
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-c", PERFORM, str(mark), *words]
    done = subprocess.run(command, stdout=writing, stderr=writing, check=False)
    os.close(writing)
    assert (done.returncode, mark.exists()) == (3, True)


@pytest.mark.skipif(not FULL.exists(), reason="there is no such device here")
@pytest.mark.parametrize("words", [(), ("--json",)])
def test_a_result_that_is_not_written_is_an_error(words: tuple[str, ...], tmp_path: Path) -> None:
    """A result on a full disk is an error of one sentence, as the caller would take half of it for all; progress on one is not."""
    code, worked, told = perform_with(tmp_path, f">{FULL}", *words)
    assert (code, worked) == (1, False)
    assert [line for line in told.splitlines() if "error" in line] == ["error: OSError: [Errno 28] No space left on device"]
    assert "Traceback" not in told
    assert perform_with(tmp_path, f"2>{FULL}", *words)[:2] == (3, True)


@pytest.mark.skipif(not FULL.exists(), reason="there is no such device here")
def test_help_that_is_not_written_is_an_error() -> None:
    """A page of help on a full disk ends in one sentence."""
    with FULL.open("w") as full:
        done = subprocess.run([sys.executable, "-m", "roost.cli", "--help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr.splitlines()[0]) == (1, "error: the page can't be written: No space left on device")


def test_letters_without_a_code_are_escaped(tmp_path: Path) -> None:
    """Where the locale has no code for a letter, an escape stands for it."""
    code, worked, told = perform_with(tmp_path, "", PYTHONIOENCODING="ascii")
    assert (code, worked) == (3, True)
    assert "\\u2500 done" in told


def test_the_rest_is_the_streams_own() -> None:
    """What a stream is asked beside writing, it answers itself."""
    assert PatientStream(sys.__stderr__ or sys.stderr, needed=False).isatty() in (True, False)
