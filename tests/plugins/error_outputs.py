"""Holds what the documentation shows of an error against the error that the test beside it really makes; or writes it down anew."""

from __future__ import annotations

import functools
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from roost import errors
from roost.errors import RoostError

ROOT = Path(__file__).resolve().parents[2]
OUTPUTS = ROOT / "docs" / "errors" / "outputs.json"
RECORD_INTO = "ROOST_TEST_RECORD_ERRORS"
"""Names the file that gets every error which the tests of this run make, a document a line; `tools/error_pages.py --record` sets it."""

_SOURCES = str(Path(errors.__file__).parent)
_ERRORS = errors.__file__
_PLACES = (
    (re.compile(r"\S+:\d+/(roost_test_\d+_\d+|postgres\b)"), "db.example.com:5432/app"),
    (re.compile(r"\S*?/lib/python3\.\d+/(site-packages/)?"), ""),
    (re.compile(re.escape(f"{ROOT}/")), ""),
    (re.compile(r"/\S*?/pytest-of-\w+/pytest-\d+/(popen-\w+/)?[^/\s:]+|/\S*?/roost-test-\w+"), "/srv/app"),
    (re.compile(r"(?<=127\.0\.0\.1:)\d+|(?<='127\.0\.0\.1', )\d+"), "5432"),
    (re.compile(r"(?<=erver process )\d+|(?<=pg_terminate_backend\()\d+|(?<=GMT \[)\d+|(?<=UTC \[)\d+"), "4711"),
    (re.compile(r"(?<=of process )\d+ on [^\s,)]+"), "97 on web-1"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?"), "2026-01-31 12:00:00"),
    (re.compile(r"(?<=\.py:)\d+"), "12"),
    (re.compile(r"\.[0-9a-f]{8}(?= )"), ".5eed5eed"),  # a file's name while it is written
)


@dataclass(frozen=True, slots=True)
class MadeError:
    """An error as it was told: the name of its class, its message and its hint."""

    name: str
    message: str
    hint: str


def generalised(text: str) -> str:
    """Return a text with the paths, ports, processes and times of one machine replaced by such as a reader may have."""
    for pattern, instead in _PLACES:
        text = pattern.sub(instead, text)
    return text.replace(f"_{os.getpid()}", "")  # tests make names by it


def is_same(one: MadeError, other: MadeError) -> bool:
    """Tell whether two runs of a test made the same error; figures may differ."""
    return _without_figures(one) == _without_figures(other)


def _without_figures(error: MadeError) -> tuple[str, ...]:
    """Take out figures, and details in the server's words, which are others in other versions."""
    return error.name, *(re.sub(r"\d+(\.\d+)?|(?<=DETAIL:).*", "0", text) for text in (error.message, error.hint))


def read_outputs() -> dict[str, dict[str, str]]:
    """Return what is documented: for the name of each error the test that made it, its message and its hint."""
    outputs: dict[str, dict[str, str]] = json.loads(OUTPUTS.read_text("utf-8"))
    return outputs


def public_errors() -> list[type[RoostError]]:
    """Return every error that can be raised, in the order of its page: those that have a message, and so no families."""
    found = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, RoostError)]
    return [kind for kind in found if kind.message is not RoostError.message]


@contextmanager
def errors_made() -> Iterator[list[MadeError]]:
    """Note each error that roost's own sources make inside the block; those which a test makes itself don't count."""
    made: list[MadeError] = []
    kept: list[tuple[type[RoostError], Callable[..., None]]] = [(kind, kind.__init__) for kind in public_errors()]
    for kind, original in kept:
        setattr(kind, "__init__", _noting(kind, original, made))  # noqa: B010 -- mypy refuses the assignment
    try:
        yield made
    finally:
        for kind, original in kept:
            setattr(kind, "__init__", original)  # noqa: B010 -- as above


def _noting(kind: type[RoostError], original: Callable[..., None], made: list[MadeError]) -> Callable[..., None]:
    @functools.wraps(original)
    def make(self: RoostError, *args: Any, **fields: Any) -> None:
        original(self, *args, **fields)
        if type(self) is kind and _is_made_by_roost():
            made.append(MadeError(kind.__name__, generalised(self.message), generalised(self.hint)))

    return make


def _is_made_by_roost() -> bool:
    frame = sys._getframe(1)
    while frame.f_back is not None and (frame.f_code.co_filename in (__file__, _ERRORS) or frame.f_code.co_filename.startswith("<")):
        frame = frame.f_back
    return frame.f_code.co_filename.startswith(_SOURCES)


@functools.cache
def _shown_by_test() -> dict[str, list[MadeError]]:
    shown: dict[str, list[MadeError]] = {}
    for name, output in read_outputs().items():
        shown.setdefault(output["test"], []).append(MadeError(name, output["message"], output["hint"]))
    return shown


@pytest.fixture(autouse=True)
def documented_errors(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test whose error is shown in the documentation, where the error has become another."""
    test, record_into = request.node.nodeid, os.environ.get(RECORD_INTO)
    shown = _shown_by_test().get(test, [])
    if not shown and record_into is None:
        yield
        return
    with errors_made() as made:
        yield
    if record_into is not None:
        with Path(record_into).open("a", encoding="utf-8") as lines:
            lines.writelines(json.dumps([test, error.name, error.message, error.hint]) + "\n" for error in made)
        return
    for error in shown:
        assert any(is_same(error, other) for other in made), (
            f"docs/errors shows what is told no more: {error}\nwrite it anew: python -m tools.error_pages --record {test}"
        )
