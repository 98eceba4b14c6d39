"""Decides what is to be run, from what the code declares and what the ledger holds. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import count, repeat
from operator import le
from typing import TYPE_CHECKING, NamedTuple

from roost.errors import (
    DatabaseAhead,
    DuplicateStep,
    HistoriesDiverged,
    StepEscaped,
    StepOutcomeUnknown,
    StepsMissing,
    StepsOutOfOrder,
)
from roost.migrations._fingerprint import ChainHashes, body_changed, fingerprint_of, is_same_text
from roost.migrations._outside_statements import doubt, shown
from roost.migrations._versions import UNVERSIONED, compare_versions, parse_version

if TYPE_CHECKING:
    from roost.migrations._config import Policy
    from roost.migrations._repeatable import PlannedRepeatable, RepeatedStep
    from roost.migrations._step import MigrationStep


LEGACY_STEP = "run-plugin-migrations"
"""The id of a plugin's old migration function, which stands in no order with its steps."""

SCHEMA_STEP = "declared-schema"
"""The id under which a plugin's declared schema is in the ledger, among its repeatable steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedStep:
    """A row of the ledger, in applied order.

    Attributes:
        step: The step's id.
        version: The version it was applied for.
        state: ``"done"``, ``"intent"``, ``"escaped"`` or ``"undoing"``.
        fingerprint: Of the body that ran.
        chain: Hash over this step and all before it.
        breaking: Whether code from before the step may run beside it.
        requires: The steps of other plugins it needs, each ``"plugin:step-id"``.
        run: The number of the run that applied it.
        statements_done: How many statements of a step in doubt outside a transaction were seen to end.
        normal_form: Hash of its SQL without layout and comments; None for functions, and for steps of an older roost.
        down_sql: The stored way back, where it is SQL; read only for a rollback.
        shape_before: Hash of what the plugin's schema held before the run whose first step this is; read only for a rollback.
    """

    step: str
    version: str
    state: str
    fingerprint: str
    chain: str
    breaking: bool
    requires: tuple[str, ...]
    run: int
    statements_done: int = 0
    normal_form: str | None = None
    down_sql: str | None = None
    shape_before: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginState:
    """Where a plugin stands in the ledger.

    Attributes:
        version: The version that is complete.
        applied: Its applied steps in applied order, as far as they were read.
        head: The hash of its head. It changes with all that is done to the plugin, so that a plan made on another one is refused.
        unread: How many applied steps come before those in `applied` and were not read, because they are as the code declares them.
        last_chain: The chain's hash after the last applied step, where that one may not be in `applied`.
        repeated: Its repeatable steps that have run.
    """

    version: str | None
    applied: tuple[AppliedStep, ...]
    head: str | None = None
    repeated: tuple[RepeatedStep, ...] = ()
    unread: int = 0
    last_chain: str | None = None

    @property
    def chain(self) -> str:
        """The chain's hash after the last applied step; empty without any."""
        if self.last_chain is not None:
            return self.last_chain
        return self.applied[-1].chain if self.applied else ""

    def without(self, step: str) -> PluginState:
        """Return the same without one step."""
        if step not in [row.step for row in self.applied]:
            return self
        return replace(self, applied=tuple(row for row in self.applied if row.step != step))

    @property
    def is_undoing(self) -> bool:
        """Whether a way back outside a transaction was begun and not seen to end."""
        return any(row.state == "undoing" for row in self.in_doubt)

    @property
    def in_doubt(self) -> list[AppliedStep]:
        """The steps of which it is not known that they are applied and no more: hardly ever any."""
        return [row for row in self.applied if row.state != "done"]

    def without_undone(self) -> PluginState:
        """Return the same as it is once a way back is ended that was begun: every run ends it first."""
        undone = [row for row in self.in_doubt if row.state == "undoing"]
        if not undone:
            return self
        rest = tuple(row for row in self.applied if row.state != "undoing")
        versions = [row.version for row in rest if compare_versions(row.version, undone[0].version) < 0]
        return replace(self, applied=rest, version=max(versions, key=parse_version, default=None))

    def only(self, step: str) -> PluginState:
        """Return the same with nothing but one step."""
        return replace(self, applied=tuple(row for row in self.applied if row.step == step))


class PlannedStep(NamedTuple):
    """A step to be run; a tuple, because a plan makes thousands and a frozen dataclass takes thrice as long.

    Attributes:
        step: The step.
        version_after: The plugin's version once it is applied: the step's own after the last step of that version.
        hashes: Those of the chain that the step is in.
        place: Its place in that chain, counted from 1.
        begun: The ledger's row of a step outside a transaction that was begun and not seen to end; None for all others.
    """

    step: MigrationStep
    version_after: str | None
    hashes: ChainHashes
    place: int
    begun: AppliedStep | None = None

    @property
    def version(self) -> str:
        """The version it belongs to."""
        return self.step.version or UNVERSIONED

    @property
    def chain(self) -> str:
        """The chain's hash once it is applied."""
        return self.hashes.after(self.place)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be run for one plugin.

    Attributes:
        plugin: The plugin.
        from_version: Where it stands; None when nothing is applied.
        target: Where it will stand; None for a plugin without any step.
        steps: What is to be run, in order.
        chain: The chain's hash before the first step.
        ahead: Steps of a newer release that the database holds; nothing is run then.
        changed: Applied steps whose SQL differs from the declared one in more than its layout and comments.
        changed_functions: The same for Python functions, which is only a notice.
        notices: What the policy ``allow`` let pass.
        repeatable: Repeatable steps that are to be run after all others, in order.
        repeatable_declared: The id and the fingerprint of each repeatable step that is declared.
        repeatable_left: Repeatable steps that have run once and are no longer declared.
        is_undoing: Whether a way back outside a transaction was begun and not seen to end: it is ended first, and then planned anew.
    """

    plugin: str
    from_version: str | None
    target: str | None
    steps: tuple[PlannedStep, ...] = ()
    chain: str = ""
    ahead: tuple[str, ...] = ()
    is_ahead: bool = False
    changed: tuple[str, ...] = ()
    changed_functions: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    repeatable: tuple[PlannedRepeatable, ...] = ()
    repeatable_declared: tuple[tuple[str, str], ...] = ()
    repeatable_left: tuple[str, ...] = ()
    is_undoing: bool = False

    @property
    def reaches(self) -> str | None:
        """The plugin's version once all versioned steps are applied."""
        reached = self.steps[-1].version_after if self.steps else self.from_version
        return self.target if self.target is not None and compare_versions(reached, self.target) < 0 else reached


def in_order(steps: Sequence[MigrationStep], *, plugin: str, default_version: str | None) -> list[MigrationStep]:
    """Give every step a version and put the steps into their order: by version, then as listed.

    Args:
        steps: The steps as declared.
        plugin: Named by errors.
        default_version: For steps without a version; None sorts them before all others.

    Returns:
        A new list of steps that all have a version.

    Raises:
        DuplicateStep: Two steps have one id.
        InvalidPluginVersion: A version is malformed.
    """
    ids = [step.id for step in steps]
    if len(set(ids)) < len(ids):
        raise DuplicateStep(plugin=plugin, step=next(name for index, name in enumerate(ids) if name in ids[:index]))
    versions = [step.version for step in steps]
    versioned = list(steps)
    if None in versions:
        versioned = [step if step.version is not None else replace(step, version=default_version or UNVERSIONED) for step in steps]
        versions = [step.version for step in versioned]
    # A start with nothing to do passes here: most lists are in order, and to see that is cheaper than to sort.
    changes = [version for version, before in zip(versions, [None, *versions], strict=False) if version is not None and version != before]
    keys = list(map(parse_version, changes))
    if all(map(le, keys, keys[1:])):
        return versioned
    return sorted(versioned, key=lambda step: parse_version(step.version or UNVERSIONED))


def plan_chain(
    declared: Sequence[MigrationStep],
    state: PluginState,
    *,
    plugin: str,
    policy: Policy,
    target: str | None = None,
) -> Plan:
    """Plan for a plugin whose whole chain of steps is known.

    Args:
        declared: All steps, in order and with versions (`in_order`).
        state: What the ledger holds.
        plugin: The plugin.
        policy: What to do about steps that are missing or out of order.
        target: Steps above this version are left for later; None runs all.

    Returns:
        The plan.

    Raises:
        StepEscaped: A step's function ended its own transaction in an earlier run.
        StepOutcomeUnknown: A step outside a transaction was begun and not seen to end.
        DatabaseAhead: The ledger holds a newer step that is breaking.
        HistoriesDiverged: Ledger and code each hold newer steps that the other lacks.
        StepsMissing: An applied step is not declared, under ``strict``.
        StepsOutOfOrder: A step stands before one that is applied, under ``strict``.
    """
    is_undoing, begun, state = _doubts_apart(state, declared, plugin=plugin)
    rest, rows = declared[state.unread :], state.applied
    # Nearly always what is applied is the first of what is declared: of that there is no question but whether a text has changed.
    alike = _length_in_common(rest, rows)
    known = list(zip(rest[:alike], rows, strict=False))
    rest, rows = rest[alike:], rows[alike:]
    notices: list[str] = []
    newer: Sequence[AppliedStep] = ()
    pending = rest
    if rows:
        applied = {row.step: row for row in rows}
        positions = {step.id: index for index, step in enumerate(rest)}
        pending = [step for step in rest if step.id not in applied]
        known += [(step, applied[step.id]) for step in rest if step.id in applied]
        newest_known = max((index for index, row in enumerate(rows) if row.step in positions), default=-1)
        newer = rows[newest_known + 1 :]
        missing = [row.step for row in rows[: newest_known + 1] if row.step not in positions]
        if newer and pending:
            raise HistoriesDiverged(plugin=plugin, unknown=tuple(row.step for row in newer), pending=tuple(step.id for step in pending))
        notices += _missing_notices(missing, plugin=plugin, policy=policy)
        refuse_breaking(newer, plugin=plugin)
        last = max((index for index, step in enumerate(rest) if step.id in applied), default=-1)
        early = [step.id for step in pending if positions[step.id] < last and not _is(step, begun)]
        notices += _early_notices(early, before=rest[last].id if last >= 0 else "", state=state, plugin=plugin, policy=policy)
    # They are in order, so that the last one's version is the highest.
    if target is not None and pending and compare_versions(pending[-1].version, target) > 0:
        pending = [step for step in pending if compare_versions(step.version, target) <= 0 or _is(step, begun)]
    changed, changed_functions = _changed_bodies(known)
    return Plan(
        plugin=plugin,
        from_version=state.version,
        target=target or (declared[-1].version if declared else None),
        steps=_planned(pending, state, declared_after=rest, begun=begun),
        chain=state.chain,
        ahead=tuple(row.step for row in newer),
        is_ahead=bool(newer),
        changed=changed,
        changed_functions=changed_functions,
        notices=tuple(notices),
        is_undoing=is_undoing,
    )


def plan_computed(steps: Sequence[MigrationStep], state: PluginState, *, plugin: str, policy: Policy, target: str) -> Plan:
    """Plan for a plugin that computes its steps from two versions; it is judged by the steps it returned.

    Args:
        steps: What the plugin returned, in order and with versions (`in_order`).
        state: What the ledger holds, below `target`.
        plugin: The plugin.
        policy: What to do about steps that are missing or out of order.
        target: The version to be reached, also when there is no step on the way.

    Returns:
        The plan.

    Raises:
        StepEscaped: A step's function ended its own transaction in an earlier run.
        StepOutcomeUnknown: A step outside a transaction was begun and not seen to end.
        DatabaseAhead: The ledger holds a newer step that is breaking.
        HistoriesDiverged: The ledger holds steps above the target, and the code returned some that are not applied.
        StepsMissing: A step of a version that is not complete is applied and was not returned, under ``strict``.
        StepsOutOfOrder: A step stands before one that is applied, under ``strict``.
    """
    is_undoing, begun, state = _doubts_apart(state, steps, plugin=plugin)
    applied = {row.step: row for row in state.applied}
    returned = {step.id for step in steps}
    pending = [step for step in steps if step.id not in applied and compare_versions(step.version, target) <= 0]
    newer = rows_above(target, state)
    if newer and pending:
        raise HistoriesDiverged(plugin=plugin, unknown=tuple(row.step for row in newer), pending=tuple(step.id for step in pending))
    refuse_breaking(newer, plugin=plugin)
    halfway = [row for row in state.applied if row not in newer and compare_versions(row.version, state.version) > 0]
    notices = _missing_notices([row.step for row in halfway if row.step not in returned], plugin=plugin, policy=policy)
    last = max((index for index, step in enumerate(steps) if step.id in applied), default=-1)
    before = {step.id for step in steps[: max(last, 0)]}
    early = [
        step.id
        for step in pending
        if not _is(step, begun) and (step.id in before or (applied and compare_versions(step.version, state.version) < 0))
    ]
    notices += _early_notices(early, before=steps[last].id if last >= 0 else "", state=state, plugin=plugin, policy=policy)
    changed, changed_functions = _changed_bodies((step, applied[step.id]) for step in steps if step.id in applied)
    planned = _planned(pending, state, declared_after=pending, begun=begun)
    if planned:
        planned = (*planned[:-1], planned[-1]._replace(version_after=target))
    return Plan(
        plugin=plugin,
        from_version=state.version,
        target=target,
        steps=planned,
        chain=state.chain,
        ahead=tuple(row.step for row in newer),
        is_ahead=bool(newer),
        changed=changed,
        changed_functions=changed_functions,
        notices=tuple(notices),
        is_undoing=is_undoing,
    )


def _doubts_apart(state: PluginState, declared: Sequence[MigrationStep], *, plugin: str) -> tuple[bool, AppliedStep | None, PluginState]:
    """Tell whether a way back is to be ended first, which step a run can go on with, and the state without both.

    Errors are those of `begun_step`.
    """
    if not state.in_doubt:
        return False, None, state
    rest = state.without_undone()
    begun = begun_step(rest, declared, plugin=plugin)
    return state.is_undoing, begun, rest if begun is None else rest.without(begun.step)


def rows_above(target: str, state: PluginState) -> list[AppliedStep]:
    """Return the applied steps of versions above the one that the code aims at."""
    return [row for row in state.applied if compare_versions(row.version, target) > 0]


def refuse_breaking(newer: Sequence[AppliedStep], *, plugin: str) -> None:
    """Refuse to run beside newer steps, where one is breaking.

    Raises:
        DatabaseAhead: One is.
    """
    breaking = tuple(row.step for row in newer if row.breaking)
    if breaking:
        raise DatabaseAhead(plugin=plugin, steps=breaking)


def begun_step(state: PluginState, declared: Sequence[MigrationStep], *, plugin: str) -> AppliedStep | None:
    """Return the row of a step outside a transaction that was begun and not seen to end, and that a run can go on with.

    Raises:
        StepEscaped: A step's function ended its own transaction.
        StepOutcomeUnknown: Only a person can find out what became of a step.
    """
    rows = [row for row in state.in_doubt if row.state == "intent"]
    for row in rows:
        step = next((step for step in declared if step.id == row.step), None)
        is_same = step is not None and is_same_text(step, fingerprint=row.fingerprint, form=row.normal_form)
        unknown = doubt(step, plugin=plugin, name=row.step, ended=row.statements_done, is_same=is_same)
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
            body = next((step.up for step in declared if step.id == row.step), "its SQL is no longer in the code")
            raise StepOutcomeUnknown(plugin=plugin, step=row.step, sql=shown(str(body)))


def _is(step: MigrationStep, begun: AppliedStep | None) -> bool:
    return begun is not None and step.id == begun.step


def _planned(
    pending: Sequence[MigrationStep],
    state: PluginState,
    *,
    declared_after: Sequence[MigrationStep],
    begun: AppliedStep | None,
) -> tuple[PlannedStep, ...]:
    """Put what was begun first, and give each step its place in the chain and the plugin's version after it.

    A version is reached with its last step, so that a plugin that stopped halfway is asked for the rest again.
    """
    if begun is not None:
        pending = sorted(pending, key=lambda step: not _is(step, begun))
    last_of_version = {step.version: step for step in declared_after}
    version, is_above = state.version, False
    versions: list[str | None] = []
    for step in pending:
        if last_of_version[step.version] is step:
            # They are in order but for what was begun: behind one above the plugin's version are no others.
            is_above = (is_above and begun is None) or compare_versions(version, step.version) < 0
            version = step.version if is_above else version
        versions.append(version)
    planned = map(PlannedStep, pending, versions, repeat(ChainHashes(state.chain, tuple(pending))), count(1))
    return tuple(planned if begun is None else (one._replace(begun=begun) if _is(one.step, begun) else one for one in planned))


def _length_in_common(declared: Sequence[MigrationStep], applied: Sequence[AppliedStep]) -> int:
    """Return how many of the applied steps are the first of the declared ones, in their order."""
    both = zip(declared, applied, strict=False)
    return next((index for index, (step, row) in enumerate(both) if step.id != row.step), min(len(declared), len(applied)))


def _missing_notices(missing: Sequence[str], *, plugin: str, policy: Policy) -> list[str]:
    if missing and policy == "strict":
        raise StepsMissing(plugin=plugin, steps=tuple(missing))
    return [f"applied steps are missing from the code: {', '.join(missing)}"] if missing else []


def _early_notices(early: Sequence[str], *, before: str, state: PluginState, plugin: str, policy: Policy) -> list[str]:
    if early and policy == "strict":
        raise StepsOutOfOrder(plugin=plugin, steps=tuple(early), applied=before or state.applied[-1].step)
    return [f"steps run out of order: {', '.join(early)}"] if early else []


def _changed_bodies(known: Iterable[tuple[MigrationStep, AppliedStep]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the ids of steps whose SQL has changed since it was applied, and of those whose function has."""
    changed: list[str] = []
    functions: list[str] = []
    for step, row in known:
        fingerprint = fingerprint_of(step)
        if fingerprint == row.fingerprint:
            continue
        if body_changed(row.fingerprint, fingerprint) and not is_same_text(step, fingerprint=row.fingerprint, form=row.normal_form):
            both_python = row.fingerprint.startswith("py:") and fingerprint.startswith("py:")
            (functions if both_python else changed).append(step.id)
    return tuple(changed), tuple(functions)
