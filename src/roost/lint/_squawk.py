"""Asks squawk, a linter for PostgreSQL migrations that is a program of its own. The one room that knows it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from roost.errors import LinterFailed

_AT_ONCE = 500
"""So many files are named to one process: command lines are bounded, on Windows to 32 thousand characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SquawkSaid:
    """One thing that squawk said.

    Attributes:
        text: The number of the text, in the order in which they were given.
        line: The line, counted from 0.
        column: How many bytes of the line come before the place.
        rule: Squawk's rule.
        message: What it says.
        advice: What it recommends; empty for nothing.
    """

    text: int
    line: int
    column: int
    rule: str
    message: str
    advice: str


def find_squawk() -> str | None:
    """Return the path of the program: beside this Python, else in the search path; None where it is not installed."""
    return shutil.which("squawk", path=sysconfig.get_path("scripts")) or shutil.which("squawk")


def ask_squawk(program: str, texts: Sequence[str], *, postgres_version: str, transactional: bool) -> list[SquawkSaid]:
    """Let squawk read texts, each of them as a file of its own.

    A configuration of squawk's own is passed over, so that the same is said wherever this runs.

    Args:
        program: The path of squawk.
        texts: SQL.
        postgres_version: The server's version, such as ``"16"``.
        transactional: Whether each text runs in a transaction.

    Raises:
        LinterFailed: Squawk can't be run, or its answer can't be read.
    """
    found: list[SquawkSaid] = []
    options = ["--reporter", "json", "--pg-version", postgres_version, "--config", "none.toml"]
    if transactional:
        options.append("--assume-in-transaction")
    for first in range(0, len(texts), _AT_ONCE):
        with tempfile.TemporaryDirectory(prefix="roost-lint-") as directory:
            folder = Path(directory)
            (folder / "none.toml").touch()
            names = {f"{number}.sql": number for number in range(first, min(first + _AT_ONCE, len(texts)))}
            for name, number in names.items():
                (folder / name).write_bytes(texts[number].encode())
            found += _read(_answer([program, *options, *names], folder), names)
    return found


def _answer(command: Sequence[str], folder: Path) -> str:
    try:
        # Its exit code says whether it found something, and 2 also that an option is wrong.
        done = subprocess.run(  # noqa: S603 -- the program was looked up, and the names of the files are numbers
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace", check=False
        )
    except OSError as error:
        raise LinterFailed(program=command[0], reason=error.strerror or str(error)) from error
    if not done.stdout.strip():
        raise LinterFailed(program=command[0], reason=done.stderr.strip() or f"it said nothing, and ended with exit code {done.returncode}")
    return done.stdout


def _read(answer: str, names: dict[str, int]) -> list[SquawkSaid]:
    try:
        return [
            SquawkSaid(
                text=names[one["file"]],
                line=one["line"],
                column=one["column"],
                rule=one["rule_name"],
                message=one["message"],
                advice=one["help"] or "",
            )
            for one in json.loads(answer)
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise LinterFailed(program="squawk", reason=f"its answer is not of the form that was expected ({answer[:80]!r})") from error
