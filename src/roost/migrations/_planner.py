"""Decides what is to be run, from what the code declares and what the ledger holds. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import count, repeat
from operator import le
from typing import TYPE_CHECKING

from roost.errors import DatabaseAhead, DuplicateStep, HistoriesDiverged, StepsMissing, StepsOutOfOrder
from roost.migrations._doubts import doubts_apart
from roost.migrations._fingerprint import ChainHashes, body_changed, fingerprint_of, is_same_text
from roost.migrations._plan import Plan, PlannedStep
from roost.migrations._versions import UNVERSIONED, compare_versions, parse_version

if TYPE_CHECKING:
    from roost.migrations._config import Policy
    from roost.migrations._plan import AppliedStep, PluginState
    from roost.migrations._step import MigrationStep


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
    is_undoing, begun, state = doubts_apart(state, declared, plugin=plugin)
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
    is_undoing, begun, state = doubts_apart(state, steps, plugin=plugin)
    applied = {row.step: row for row in state.applied}
    returned = {step.id for step in steps}
    pending = [step for step in steps if step.id not in applied and (compare_versions(step.version, target) <= 0 or _is(step, begun))]
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

    A version is reached with its last step, so that a plugin that stopped halfway is asked for the rest again; with what was begun only
    where nothing of that version, or below it, is left.
    """
    early: MigrationStep | None = None
    if begun is not None:
        pending = sorted(pending, key=lambda step: not _is(step, begun))
        if len(pending) > 1 and _is(pending[0], begun) and compare_versions(pending[1].version, pending[0].version) <= 0:
            early = pending[0]
    last_of_version = {step.version: step for step in declared_after}
    version, is_above = state.version, False
    versions: list[str | None] = []
    for step in pending:
        if last_of_version[step.version] is step and step is not early:
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
