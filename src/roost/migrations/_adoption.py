"""Decides what the ledger says once a person claims steps, or takes a claim back, and writes the transactions. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roost.errors import (
    BaselineRefused,
    MarkRefused,
    RequiredStepMissing,
    StepIsRepeatable,
    StepOutcomeUnknown,
    StepsLeftOut,
    UnmarkRefused,
)
from roost.migrations import _groups as groups
from roost.migrations._doubts import check_outcomes
from roost.migrations._fingerprint import ChainHashes, fingerprint_of
from roost.migrations._ledger import MOVED_ON
from roost.migrations._outside_statements import shown
from roost.migrations._plan import LEGACY_STEP
from roost.migrations._rollback import dependants, highest_below
from roost.postgres import dollar_quote, quote_literal, quote_nullable
from roost.runtime import closest

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

    from roost.migrations._groups import Turn
    from roost.migrations._plan import AppliedStep, Plan, PlannedStep, PluginState
    from roost.migrations._step import MigrationStep


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """Steps that are to count as applied though no run took them.

    Attributes:
        steps: The steps, in order.
        planned_on: The head's hash that the ledger must have.
        version_after: The plugin's version then.
        chain_after: The chain's hash then; None where no step is applied.
    """

    steps: tuple[PlannedStep, ...]
    planned_on: str | None
    version_after: str | None
    chain_after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Disowning:
    """A step that is to count as not applied though no rollback took it back; the fields are those of `Adoption`."""

    row: AppliedStep
    planned_on: str | None
    version_after: str | None
    chain_after: str | None


def refuse_applied(state: PluginState, *, plugin: str, declared: Sequence[MigrationStep] = ()) -> None:
    """Refuse to baseline a plugin of which the ledger knows something.

    Raises:
        BaselineRefused: It has applied steps, or a version.
        StepEscaped: A step's outcome is in doubt.
        StepOutcomeUnknown: As above.
    """
    state = state.without(LEGACY_STEP)
    check_outcomes(state, declared, plugin=plugin)
    if state.applied or state.version is not None:
        raise BaselineRefused(plugin=plugin, version=state.version, steps=tuple(row.step for row in state.applied))


def adopt_all(plan: Plan, state: PluginState) -> Adoption:
    """Adopt all steps of a plan, and its target."""
    chain = plan.steps[-1].chain if plan.steps else plan.chain or None
    return Adoption(steps=plan.steps, planned_on=state.head, version_after=plan.target, chain_after=chain)


def adopt_chosen(plan: Plan, state: PluginState, *, chosen: Collection[str]) -> Adoption:
    """Adopt those of a plan's steps that are chosen; of the others none may come before them.

    Args:
        plan: The plan.
        state: What the ledger holds.
        chosen: The ids of the steps; those that are applied already count as they are.

    Raises:
        StepsLeftOut: Others come before.
        StepEscaped: A step's outcome is in doubt.
        StepOutcomeUnknown: As above.
    """
    check_outcomes(state.without(LEGACY_STEP), [planned.step for planned in plan.steps], plugin=plan.plugin)
    last = max((index for index, planned in enumerate(plan.steps) if planned.step.id in chosen), default=-1)
    taken = plan.steps[: last + 1]
    left_out = tuple(planned.step.id for planned in taken if planned.step.id not in chosen)
    if left_out:
        raise StepsLeftOut(plugin=plan.plugin, steps=left_out, before=taken[-1].step.id)
    if taken and len(taken) == len(plan.steps):
        return adopt_all(plan, state)
    version, chain = (taken[-1].version_after, taken[-1].chain) if taken else (state.version, state.chain)
    return Adoption(steps=taken, planned_on=state.head, version_after=version, chain_after=chain)


def adopt_one(plan: Plan, state: PluginState, *, step: str, in_order: bool) -> Adoption:
    """Adopt one step of a plan.

    Args:
        plan: The plan.
        state: What the ledger holds.
        step: The step's id.
        in_order: Whether it must be the next one.

    Raises:
        MarkRefused: It is not among the plan's steps, or not the next one.
        StepOutcomeUnknown: A step of the plugin, perhaps this one, was begun and not seen to end.
        StepIsRepeatable: It is a repeatable step.
    """
    if any(step == name for name, _ in plan.repeatable_declared):
        raise StepIsRepeatable(plugin=plan.plugin, step=step, wanted="mark")
    begun = next((row.step for row in state.without(LEGACY_STEP).applied if row.state != "done"), None)
    if begun is not None:
        forth = next((str(planned.step.up) for planned in plan.steps if planned.begun is not None), "its way back")
        raise StepOutcomeUnknown(plugin=plan.plugin, step=begun, sql=shown(forth), check="let a run end it: roost up")
    pending = tuple(planned.step.id for planned in plan.steps)
    if step not in pending:
        applied = [row.step for row in state.applied]
        near = () if step in applied else closest(step, pending) or closest(step, applied)
        raise MarkRefused(plugin=plan.plugin, step=step, is_applied=step in applied, pending=pending, suggestions=near)
    place = pending.index(step)
    found = plan.steps[place]
    if place > 0:
        if in_order:
            raise MarkRefused(plugin=plan.plugin, step=step, pending=pending)
        # The plan's own hash counts on those before it, and while they are pending no version is reached.
        found = found._replace(hashes=ChainHashes(plan.chain, (found.step,)), place=1, version_after=state.version)
    return Adoption(steps=(found,), planned_on=state.head, version_after=found.version_after, chain_after=found.chain)


def check_requirements(adoption: Adoption, *, plugin: str, applied: Sequence[str]) -> None:
    """Refuse steps that require what is not applied.

    Args:
        adoption: The steps.
        plugin: Their plugin.
        applied: All applied steps of all plugins, each ``"plugin:step-id"``.

    Raises:
        RequiredStepMissing: There is such a step.
    """
    met = set(applied)
    for planned in adoption.steps:
        for name in planned.step.requires:
            if name not in met:
                raise RequiredStepMissing(plugin=plugin, step=planned.step.id, required=name, is_claimed=True)
        met.add(f"{plugin}:{planned.step.id}")


def disown(
    state: PluginState,
    *,
    plugin: str,
    step: str,
    requiring: Sequence[tuple[str, str, str]],
    dependent_plugins: Mapping[str, SpecifierSet],
) -> Disowning:
    """Take an applied step out of the ledger, the last one of its plugin.

    Args:
        state: What the ledger holds.
        plugin: The plugin.
        step: The step's id.
        requiring: Applied steps of other plugins that require steps of this one, each (plugin, step, required step id).
        dependent_plugins: Plugins that depend on this one and have applied steps, with the versions they accept.

    Raises:
        UnmarkRefused: It is not applied, not the last, in doubt, or needed by another plugin.
        StepIsRepeatable: It is a repeatable step.
    """
    if all(row.step != step for row in state.applied) and any(row.step == step for row in state.repeated):
        raise StepIsRepeatable(plugin=plugin, step=step, wanted="unmark")
    own = state.only(step) if step == LEGACY_STEP else state.without(LEGACY_STEP)
    ids = [row.step for row in own.applied]
    if step not in ids:
        raise UnmarkRefused(plugin=plugin, step=step, state=None, suggestions=closest(step, ids))
    place = ids.index(step)
    row = own.applied[place]
    later = tuple(ids[place + 1 :])
    if row.state != "done" or later:
        raise UnmarkRefused(plugin=plugin, step=step, state=row.state, needed_by=later if row.state == "done" else ())
    rest = state.without(step).without(LEGACY_STEP).applied
    # The plugin's old migration function moves no version.
    version = state.version if step == LEGACY_STEP else highest_below(row.version, rest)
    needed_by = dependants({step}, version_after=version, requiring=requiring, dependent_plugins=dependent_plugins)
    if needed_by:
        raise UnmarkRefused(plugin=plugin, step=step, state=row.state, needed_by=needed_by)
    return Disowning(row=row, planned_on=state.head, version_after=version, chain_after=rest[-1].chain if rest else None)


def adopting(turn: Turn, adoption: Adoption) -> str:
    """Return the transaction that writes steps down as applied; SQLSTATE `MOVED_ON` where the ledger says something else by now."""
    plugin = quote_literal(turn.plugin)
    ids = ", ".join(quote_literal(planned.step.id) for planned in adoption.steps)
    taken = f"EXISTS (SELECT FROM roost.applied WHERE plugin = {plugin} AND step IN ({ids}))" if ids else "false"
    claims = "".join(f"{groups.claim(turn, planned, planned_on=adoption.planned_on, state='done')}; " for planned in adoption.steps)
    records = "".join(
        groups.record(
            turn,
            step=planned.step.id,
            version=planned.version,
            direction="up",
            attempts=0,
            took=0.0,
            checksum=fingerprint_of(planned.step),
        )
        for planned in adoption.steps
    )
    return f"{_begin(turn, adoption.planned_on, unless=taken)}; {claims}{_move(turn, adoption)}; {records}COMMIT"


def disowning(turn: Turn, found: Disowning) -> str:
    """Return the transaction that takes a step's row away; SQLSTATE `MOVED_ON` where the ledger says something else by now."""
    plugin, step = quote_literal(turn.plugin), quote_literal(found.row.step)
    name = quote_literal(f"{turn.plugin}:{found.row.step}")
    changed = (
        f"NOT EXISTS (SELECT FROM roost.applied WHERE plugin = {plugin} AND step = {step} AND state = 'done') "
        f"OR EXISTS (SELECT FROM roost.applied WHERE {name} = ANY (requires))"
    )
    delete = f"DELETE FROM roost.applied WHERE plugin = {plugin} AND step = {step}"
    record = groups.record(
        turn,
        step=found.row.step,
        version=found.row.version,
        direction="down",
        attempts=0,
        took=0.0,
        checksum=found.row.fingerprint,
    )
    # As after any other way back.
    anew = f"SELECT roost.forget_repeatable({plugin})"
    return f"{_begin(turn, found.planned_on, unless=changed)}; {delete}; {anew}; {_move(turn, found)}; {record}COMMIT"


def _begin(turn: Turn, planned_on: str | None, *, unless: str) -> str:
    check = f"SELECT roost.check_plan({quote_literal(turn.plugin)}, {quote_nullable(planned_on)}, '{{}}')"
    message = quote_literal("plugin % has moved on since this was planned")
    refuse = f"RAISE EXCEPTION {message}, {quote_literal(turn.plugin)} USING ERRCODE = '{MOVED_ON}'"
    return f"{turn.begin}; {turn.fence}; {check}; DO {dollar_quote(f'BEGIN IF {unless} THEN {refuse}; END IF; END')}"


def _move(turn: Turn, found: Adoption | Disowning) -> str:
    version, chain = quote_nullable(found.version_after), quote_nullable(found.chain_after)
    return f"SELECT roost.move_head({quote_literal(turn.plugin)}, {version}, {chain})"
