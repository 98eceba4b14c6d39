"""Draws what a rehearsal saw: a line for each step, and what is to be said about the whole. Pure: values in, text out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text

from roost.cli._table_form import NONE, plain_table
from roost.migrations import LOCK_MODES, HeldLock, RehearsalReport, RehearsedStep, TakenLock, TouchedRows

_STYLES = {"rehearsed": "green", "failed": "red", "not rehearsed": "yellow"}
_READS, _WRITES = LOCK_MODES.index("ACCESS SHARE"), LOCK_MODES.index("ROW EXCLUSIVE")


def rehearsal_table(report: RehearsalReport) -> Table:
    """Draw each step with its outcome and what it did."""
    table = plain_table("Rehearsed, and rolled back", "plugin", "version", "step", "outcome", "took", "rows", "locks", "rewritten")
    for step in report.steps:
        was_run = step.outcome == "rehearsed"
        table.add_row(
            Text(step.plugin),
            Text(step.version or NONE),
            Text(step.step or NONE),
            Text(step.outcome, style=_STYLES[step.outcome]),
            Text(f"{step.duration:.3f} s" if step.attempts else NONE),
            Text(_rows(step.rows) if was_run else NONE),
            Text(_locks(step.locks)),
            Text(", ".join(step.rewritten) or NONE),
        )
    return table


def rehearsal_notes(report: RehearsalReport) -> str:
    """Say why steps were not rehearsed, how long the strongest locks were held, and what was not rolled back."""
    lines = [f"{_name(step)}: {step.reason}" for step in report.steps if step.reason is not None and step.reason != report.broken_off]
    strongest = [held for held in report.held if held.mode == report.held[0].mode]
    # Who waits for an index waits for its table.
    strongest = [held for held in strongest if held.kind == "table"] or strongest
    if strongest and LOCK_MODES.index(strongest[0].mode) > _WRITES:
        lines.append(f"held to the end: {_held(strongest)}; a run gives each lock back with its step")
    if report.sequences:
        lines.append(f"not rolled back, as numbers never are: {', '.join(report.sequences)}")
    if report.broken_off is not None:
        lines.append(f"broken off: {report.broken_off}")
    return "\n".join(lines)


def _name(step: RehearsedStep) -> str:
    return f"{step.plugin} {step.step or step.service}"


def _rows(rows: Sequence[TouchedRows] | None) -> str:
    if rows is None:
        return "not counted"
    return "; ".join(f"{one.table} {' '.join(_counts(one))}" for one in rows) or NONE


def _counts(rows: TouchedRows) -> Iterable[str]:
    for number, what in ((rows.inserted, "inserted"), (rows.updated, "updated"), (rows.deleted, "deleted")):
        if number:
            yield f"{number} {what}"


def _locks(locks: Sequence[TakenLock]) -> str:
    told = [lock for lock in locks if _is_worth_telling(lock)]
    modes = sorted({lock.mode for lock in told}, key=LOCK_MODES.index, reverse=True)
    return "; ".join(f"{mode} {', '.join(lock.relation for lock in told if lock.mode == mode)}" for mode in modes) or NONE


def _is_worth_telling(lock: TakenLock) -> bool:
    # Who reads a table locks its indexes too, and who writes one its sequences; that is in nobody's way.
    strength = LOCK_MODES.index(lock.mode)
    return not lock.is_new and strength > (_READS if lock.kind == "table" else _WRITES)


def _held(strongest: Sequence[HeldLock]) -> str:
    return f"{strongest[0].mode} on {', '.join(f'{held.relation} for {held.seconds:.3f} s' for held in strongest)}"
