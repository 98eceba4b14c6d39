"""Decides what a run can do about steps of which it is not known that they are applied and no more. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from roost.errors import StepEscaped, StepOutcomeUnknown
from roost.migrations._fingerprint import is_same_text
from roost.migrations._outside_statements import doubt, shown

if TYPE_CHECKING:
    from roost.migrations._plan import AppliedStep, PluginState
    from roost.migrations._step import MigrationStep

_BY_A_RUN = "roost up brings it to its end by itself; or check in the database whether it took effect"


def doubts_apart(state: PluginState, declared: Sequence[MigrationStep], *, plugin: str) -> tuple[bool, AppliedStep | None, PluginState]:
    """Tell whether a way back is to be ended first, which step a run can go on with, and the state without both.

    Errors are those of `begun_step`.
    """
    if not state.in_doubt:
        return False, None, state
    rest = state.without_undone()
    begun = begun_step(rest, declared, plugin=plugin)
    return state.is_undoing, begun, rest if begun is None else rest.without(begun.step)


def begun_step(state: PluginState, declared: Sequence[MigrationStep], *, plugin: str) -> AppliedStep | None:
    """Return the row of a step outside a transaction that was begun and not seen to end, and that a run can go on with.

    Raises:
        StepEscaped: A step's function ended its own transaction.
        StepOutcomeUnknown: Only a person can find out what became of a step.
    """
    rows = [row for row in state.in_doubt if row.state == "intent"]
    for row in rows:
        unknown = _doubt_of(row, declared, plugin=plugin)
        if unknown is not None:
            raise unknown
    check_outcomes(state.without(rows[0].step) if rows else state, declared, plugin=plugin)
    return rows[0] if rows else None


def check_outcomes(state: PluginState, declared: Sequence[MigrationStep], *, plugin: str) -> None:
    """Refuse to go on from a step whose outcome nobody knows.

    Raises:
        StepEscaped: A step's function ended its own transaction.
        StepOutcomeUnknown: A step outside a transaction was not seen to end.
    """
    for row in state.in_doubt:
        if row.state == "escaped":
            raise StepEscaped(plugin=plugin, step=row.step)
        if row.state == "intent":
            unknown = _doubt_of(row, declared, plugin=plugin)
            if unknown is not None:
                raise unknown
            body = next(step.up for step in declared if step.id == row.step)
            raise StepOutcomeUnknown(plugin=plugin, step=row.step, sql=shown(str(body)), check=_BY_A_RUN)


def _doubt_of(row: AppliedStep, declared: Sequence[MigrationStep], *, plugin: str) -> StepOutcomeUnknown | None:
    step = next((step for step in declared if step.id == row.step), None)
    is_same = step is not None and is_same_text(step, fingerprint=row.fingerprint, form=row.normal_form)
    return doubt(step, plugin=plugin, name=row.step, ended=row.statements_done, is_same=is_same)
