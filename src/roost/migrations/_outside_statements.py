"""The statements of a step outside a transaction: which are refused, and which leave a doubt that only a person can end. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roost.errors import InvalidStep, StepOutcomeUnknown
from roost.postgres import BuildsIndex, ControlsTransaction, FitsTransaction, Statement, Uncertain, has_parser, statements_of

if TYPE_CHECKING:
    from roost.migrations._step import MigrationStep
    from roost.postgres import Effect

SHOWN_CHARACTERS = 200
_MAY_REFUSE = re.compile(r"concurrently|finalize|vacuum|system|database|tablespace|subscription", re.IGNORECASE)
IS_IT_THERE = "check in the database whether it took effect"


def outside_statements(sql: str) -> tuple[Statement, ...]:
    """Split a step's SQL; without the extra `sql` it is one statement of uncertain effect, and sent as it is."""
    found = statements_of(sql)
    return (Statement(text=sql, start=0, effect=Uncertain()),) if found is None else found


def check_outside(step: MigrationStep) -> None:
    """Refuse, before anything runs, what could not be taken up again after a crash.

    Raises:
        InvalidStep: An index that is built concurrently has no name, or the step holds BEGIN, COMMIT or their like.
    """
    if not step.transactional and isinstance(step.up, str):
        check_statements(step.up, step=step.id)


def check_statements(sql: str, *, step: str) -> None:
    """Refuse SQL that is to run outside a transaction and could not be taken up again; errors as of `check_outside`."""
    for statement in outside_statements(sql):
        if isinstance(statement.effect, BuildsIndex) and statement.effect.name is None:
            reason = (
                "it builds an index without a name, which nobody could find again after a crash; write its name before ON: "
                f"{shown(statement.text)}"
            )
            raise InvalidStep(step=step, reason=reason)
        if isinstance(statement.effect, ControlsTransaction):
            reason = (
                f"outside a transaction each statement runs by itself, and it holds {shown(statement.text)}; put what belongs into one "
                "transaction into a step of its own"
            )
            raise InvalidStep(step=step, reason=reason)


def runs_outside(step: MigrationStep | None, down: object) -> bool:
    """Tell whether a way back runs outside a transaction: where the step did, and where PostgreSQL refuses it inside of one.

    Args:
        step: The step as the code declares it; None where only the ledger knows it.
        down: The way back.
    """
    if not isinstance(down, str):
        return False
    if step is not None and not step.transactional:
        return True
    # To parse what can't hold such a statement would cost a long rollback much.
    return _MAY_REFUSE.search(down) is not None and any(statement.refuses_transaction for statement in statements_of(down) or ())


def doubt(step: MigrationStep | None, *, plugin: str, name: str, ended: int, is_same: bool) -> StepOutcomeUnknown | None:
    """Tell what only a person can find out about a step that was begun outside a transaction and not seen to end.

    Args:
        step: The step as the code declares it now; None where it no longer does.
        plugin: The plugin.
        name: The step's id.
        ended: How many of its statements were seen to end.
        is_same: Whether its SQL is still the one that was begun. If it is another one, each of its statements must be one whose effect
            the catalogue tells, because nobody knows which of them was begun.

    Returns:
        What to raise; None where the run can go on with the step.
    """
    if step is None or step.transactional or not isinstance(step.up, str):
        body = "its SQL is no longer in the code" if step is None else step.up
        return StepOutcomeUnknown(plugin=plugin, step=name, sql=shown(str(body)))
    return doubt_of(step.up, plugin=plugin, name=name, ended=ended, is_same=is_same)


def doubt_of(sql: str, *, plugin: str, name: str, ended: int, is_same: bool) -> StepOutcomeUnknown | None:
    """Tell what only a person can find out about SQL, there or back; arguments and result as of `doubt`."""
    statements = outside_statements(sql)
    # Without the parser nobody can say which statements were counted.
    begun = statements[ended : ended + 1] if is_same and has_parser() else statements
    untold: tuple[type[Effect], ...] = (Uncertain,) if is_same else (Uncertain, FitsTransaction, ControlsTransaction)
    uncertain = next((statement for statement in begun if isinstance(statement.effect, untold)), None)
    if uncertain is None:
        return None
    check = IS_IT_THERE if is_same else f"{IS_IT_THERE}, and what the SQL that the step held before has left"
    if not has_parser():
        check = f"{check} (an interrupted CREATE INDEX CONCURRENTLY leaves an INVALID index: drop it)"
    return StepOutcomeUnknown(plugin=plugin, step=name, sql=shown(uncertain.text), check=check, needs_extra=not has_parser())


def shown(sql: str) -> str:
    """Return SQL in one line that fits an error."""
    line = " ".join(sql.split())
    return line if len(line) <= SHOWN_CHARACTERS else line[: SHOWN_CHARACTERS - 1] + "…"
