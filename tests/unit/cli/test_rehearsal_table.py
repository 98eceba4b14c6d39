"""A rehearsal as a person reads it."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console

from roost.cli._documents import rehearsal_document
from roost.cli._output import to_json
from roost.cli._rehearsal_table import rehearsal_notes, rehearsal_table
from roost.errors import RehearsedStepFailed
from roost.migrations import HeldLock, RehearsalReport, RehearsedStep, TakenLock, TouchedRows


def step(name: str | None, outcome: Any = "rehearsed", **fields: Any) -> RehearsedStep:
    """Return a step."""
    facts = {"description": "", "version": "1.0.0", "sql": "SELECT 1", "attempts": 1, "duration": 0.5, **fields}
    return RehearsedStep(service="notes-migration", plugin="notes", step=name, outcome=outcome, **facts)


def report(*steps: RehearsedStep, **fields: Any) -> RehearsalReport:
    """Return a report."""
    return RehearsalReport(**{"steps": steps, "held": (), "sequences": (), "broken_off": None, "waited": 0.0, "duration": 1.0, **fields})


def drawn(one: RehearsedStep) -> list[str]:
    """Return the cells of a step's line."""
    console = Console(width=300)
    with console.capture() as printed:
        console.print(rehearsal_table(report(one)))
    return [cell.strip() for cell in printed.get().splitlines()[-1].split("   ") if cell.strip()]


def test_what_a_step_did() -> None:
    """Rows by table, locks by mode with the strongest first, and what was rewritten; nothing is a dash."""
    locks = (
        TakenLock(relation="public.notes", kind="table", mode="ACCESS EXCLUSIVE", is_new=False),
        TakenLock(relation="public.tags", kind="table", mode="ROW EXCLUSIVE", is_new=False),
        TakenLock(relation="public.users", kind="table", mode="ACCESS SHARE", is_new=False),
        TakenLock(relation="public.made", kind="table", mode="ACCESS EXCLUSIVE", is_new=True),
        TakenLock(relation="public.by_body", kind="index", mode="ACCESS SHARE", is_new=False),
        TakenLock(relation="public.by_kind", kind="index", mode="ACCESS EXCLUSIVE", is_new=False),
        TakenLock(relation="public.numbers", kind="sequence", mode="ROW EXCLUSIVE", is_new=False),
    )
    rows = (
        TouchedRows(table="public.notes", inserted=3, updated=0, deleted=1),
        TouchedRows(table="public.tags", inserted=0, updated=2, deleted=0),
    )
    assert drawn(step("add", locks=locks, rows=rows, rewritten=("public.notes",))) == [
        "notes",
        "1.0.0",
        "add",
        "rehearsed",
        "0.500 s",
        "public.notes 3 inserted 1 deleted; public.tags 2 updated",
        "ACCESS EXCLUSIVE public.notes, public.by_kind; ROW EXCLUSIVE public.tags",
        "public.notes",
    ]
    assert drawn(step("look", rows=None))[5:] == ["not counted", "-", "-"]


def test_what_was_not_rehearsed() -> None:
    """It took no time and did nothing; a service that can't say its steps has none."""
    one = step(None, "not rehearsed", version=None, attempts=0, duration=0.0, reason="the service keeps no ledger")
    assert drawn(one) == ["notes", "-", "-", "not rehearsed", "-", "-", "-", "-"]
    assert rehearsal_notes(report(one)) == "notes notes-migration: the service keeps no ledger"


def test_what_is_said_about_the_whole() -> None:
    """How long the strongest locks were held, on tables where there are some; sequences; and why it was broken off, once."""
    held = (
        HeldLock(relation="public.notes", kind="table", mode="ACCESS EXCLUSIVE", seconds=1.5),
        HeldLock(relation="public.by_body", kind="index", mode="ACCESS EXCLUSIVE", seconds=1.5),
        HeldLock(relation="public.tags", kind="table", mode="SHARE", seconds=2.0),
    )
    steps = (
        step("bad", "failed", reason="it may need what was not rehearsed: index"),
        step("next", "not rehearsed", reason="a step before failed"),
    )
    whole = report(*steps, held=held, sequences=("public.numbers",), broken_off="a step before failed")
    assert rehearsal_notes(whole).splitlines() == [
        "notes bad: it may need what was not rehearsed: index",
        "held to the end: ACCESS EXCLUSIVE on public.notes for 1.500 s; a run gives each lock back with its step",
        "not rolled back, as numbers never are: public.numbers",
        "broken off: a step before failed",
    ]
    harmless = (HeldLock(relation="public.notes", kind="table", mode="ROW EXCLUSIVE", seconds=1.0),)
    assert rehearsal_notes(report(step("add"), held=harmless)) == ""


def test_all_of_it_is_plain_data() -> None:
    """The document holds every field; an error is its type, message and hint."""
    error = RehearsedStepFailed(service="notes-migration", plugin="notes", step="bad", direction="up", reason="no")
    rehearsed = rehearsal_document(report(step("bad", "failed", error=error), broken_off="a step before failed"))
    document = json.loads(to_json(rehearsed))
    assert document["fine"] is False
    assert document["steps"][0]["error"] == {"type": "RehearsedStepFailed", "message": error.message, "hint": error.hint}
    assert set(document["steps"][0]) == set(RehearsedStep.__slots__)
    assert document["steps"][0]["outcome"] == "failed"
