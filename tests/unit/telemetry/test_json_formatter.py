from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from roost.telemetry import JsonFormatter


def written(**extra: Any) -> dict[str, Any]:
    """Return what becomes of a record."""
    record = logging.getLogger("shop").makeRecord("shop", logging.INFO, "f.py", 1, "sold %d", (3,), None, extra=extra)
    line = JsonFormatter().format(record)
    assert "\n" not in line
    document: dict[str, Any] = json.loads(line)
    return document


def test_a_record_is_one_document() -> None:
    """Time, level, logger and message, then each extra under its own key, and nothing else."""
    document = written(roost_plugin="notes", roost_steps=["a", "b"])
    moment = datetime.fromisoformat(document.pop("time"))
    assert (moment.tzinfo, document) == (
        UTC,
        {"level": "INFO", "logger": "shop", "message": "sold 3", "roost_plugin": "notes", "roost_steps": ["a", "b"]},
    )


class Unshowable:
    def __str__(self) -> str:
        raise ValueError("no")


def test_whatever_an_extra_holds_is_written() -> None:
    """What JSON doesn't know, numbers that are none, values in a circle and values that can't be shown: the line is valid all the same."""
    circle: list[Any] = []
    circle.append(circle)
    document = written(
        at=datetime(2026, 1, 2, tzinfo=UTC),
        none=None,
        nan=float("nan"),
        names={"b"},
        inner={1: (2.5, True)},
        circle=circle,
        bad=Unshowable(),
    )
    assert [document[key] for key in ("at", "none", "nan", "names", "inner", "bad")] == [
        "2026-01-02T00:00:00+00:00",
        None,
        "nan",
        ["b"],
        {"1": [2.5, True]},
        "a Unshowable",
    ]
    assert "[...]" in str(document["circle"])


def test_an_extra_replaces_nothing() -> None:
    """One that is called as what every document has is left out; a lone surrogate is written."""
    document = written(time="x", level="y", logger="z", odd="\ud800")
    assert (document["level"], document["logger"], document["odd"]) == ("INFO", "shop", "\ud800")
    assert document["time"] != "x"


def test_a_traceback_stays_on_its_line() -> None:
    """It is one text under `exception`, and so is a stack under `stack`."""
    try:
        int("gone")
    except ValueError:
        record = logging.makeLogRecord({"msg": "failed", "exc_info": sys.exc_info(), "stack_info": "Stack:\n  here"})
    line = JsonFormatter().format(record)
    document = json.loads(line)
    assert line.count("\n") == 0
    assert document["exception"].splitlines()[-1] == "ValueError: invalid literal for int() with base 10: 'gone'"
    assert document["stack"] == "Stack:\n  here"


@pytest.mark.parametrize("name", ["message", "asctime", "name"])
def test_logging_itself_guards_a_records_own_names(name: str) -> None:
    """An extra that would overwrite them is refused by logging, so none needs a rule here."""
    with pytest.raises(KeyError, match="overwrite"):
        written(**{name: "x"})
