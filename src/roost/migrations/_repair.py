"""Decides what the ledger must say once a person has found out what became of a step. Pure: no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roost.errors import MigrationError, StepIsRepeatable, StepNotInDoubt
from roost.migrations import _groups as groups
from roost.migrations._ledger import MOVED_ON
from roost.migrations._rollback import highest_below
from roost.postgres import dollar_quote, quote_literal, quote_nullable
from roost.runtime import closest

if TYPE_CHECKING:
    from roost.migrations._groups import Turn
    from roost.migrations._plan import AppliedStep, PluginState
    from roost.migrations._protocol import KeepsLedger
    from roost.migrations._records import Direction

IN_DOUBT = frozenset({"escaped", "intent", "undoing"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """What is to be written down about a step in doubt.

    Attributes:
        row: The ledger's row.
        done: Whether the step's effect is there.
        direction: Which way it was going when it came into doubt.
        planned_on: The head's hash that the ledger must have.
        version_after: The plugin's version then.
        chain_after: The chain's hash then.
    """

    row: AppliedStep
    done: bool
    direction: Direction
    planned_on: str | None
    version_after: str | None
    chain_after: str | None


def doubtful_row(state: PluginState, *, plugin: str, step: str) -> AppliedStep:
    """Return the row of a step in doubt.

    Args:
        state: What the ledger holds of the plugin.
        plugin: The plugin.
        step: The step's id.

    Raises:
        StepNotInDoubt: The ledger knows what became of it.
        StepIsRepeatable: It is a repeatable step, which is never in doubt.
    """
    if all(row.step != step for row in state.applied) and any(row.step == step for row in state.repeated):
        raise StepIsRepeatable(plugin=plugin, step=step, wanted="repair")
    row = next((row for row in state.applied if row.step == step), None)
    if row is not None and row.state in IN_DOUBT:
        return row
    in_doubt = tuple(row.step for row in state.applied if row.state in IN_DOUBT)
    # Who mistypes a name means a step that can be repaired, if one is near.
    near = () if row is not None else closest(step, in_doubt) or closest(step, [row.step for row in state.applied])
    raise StepNotInDoubt(plugin=plugin, step=step, state=row.state if row else None, in_doubt=in_doubt, suggestions=near)


def plan_repair(service: KeepsLedger, state: PluginState, *, step: str, done: bool) -> Repair:
    """Plan the repair of a step.

    Args:
        service: The service whose step it is.
        state: What the ledger holds.
        step: The step's id.
        done: Whether its effect is there.

    Returns:
        The repair.

    Raises:
        StepNotInDoubt: The ledger knows what became of the step.
    """
    row = doubtful_row(state, plugin=service.plugin_name, step=step)
    rest = state.without(step)
    # The head already stands on a step that was finished once: then a function came into doubt on its way back. Outside a transaction
    # each way has a state of its own.
    stands_on_it = row.chain == state.head or state.applied[-1] != row
    was_finished = row.state == "undoing" or (row.state == "escaped" and stands_on_it)
    version, chain = state.version, state.head
    if done and not was_finished:
        version, chain = _version_once_done(service, rest, step=step), row.chain
    elif was_finished and not done:
        version, chain = highest_below(row.version, rest.applied), rest.applied[-1].chain if rest.applied else None
    return Repair(
        row=row,
        done=done,
        direction="down" if was_finished else "up",
        planned_on=state.head,
        version_after=version,
        chain_after=chain,
    )


def _version_once_done(service: KeepsLedger, before: PluginState, *, step: str) -> str | None:
    """Return the plugin's version after a step, as the plan says it that would run the step now."""
    try:
        plan = service.plan(before, "allow")
    except MigrationError:  # what else is wrong between code and ledger is the next run's to say; it moves the version as well
        return before.version
    return next((planned.version_after for planned in plan.steps if planned.step.id == step), before.version)


def repairing(turn: Turn, repair: Repair) -> str:
    """Return the transaction that writes a repair down; SQLSTATE `MOVED_ON` where the ledger says something else by now."""
    plugin, step = quote_literal(turn.plugin), quote_literal(repair.row.step)
    where = f"WHERE plugin = {plugin} AND step = {step} AND state = {quote_literal(repair.row.state)}"
    kept = f"UPDATE roost.applied SET state = 'done', statements_done = 0 {where}"
    change = kept if repair.done else f"DELETE FROM roost.applied {where}"
    refuse = f"RAISE EXCEPTION 'step % is no longer in doubt', {step} USING ERRCODE = '{MOVED_ON}'"
    check = f"SELECT roost.check_plan({plugin}, {quote_nullable(repair.planned_on)}, '{{}}')"
    move = f"SELECT roost.move_head({plugin}, {quote_nullable(repair.version_after)}, {quote_nullable(repair.chain_after)})"
    succeeded = repair.done == (repair.direction == "up")
    record = groups.record(
        turn,
        step=repair.row.step,
        version=repair.row.version,
        direction=repair.direction,
        attempts=0,
        took=0.0,
        checksum=repair.row.fingerprint,
        error=None if succeeded else "its outcome was in doubt, and a person found that it had no effect",
    )
    body = f"BEGIN {change}; IF NOT FOUND THEN {refuse}; END IF; END"
    # As after any other way back.
    anew = f"SELECT roost.forget_repeatable({plugin}); " if repair.direction == "down" and not repair.done else ""
    return f"{turn.begin}; {turn.fence}; {check}; DO {dollar_quote(body)}; {anew}{move}; {record}COMMIT"
