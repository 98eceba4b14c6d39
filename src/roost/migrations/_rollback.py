"""Decides what a rollback undoes, and refuses it before anything is undone. Pure: no I/O, no clock."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet

from roost.errors import DependantApplied, NoRollbackMethod, UnknownRollbackTarget
from roost.migrations._outside_statements import check_statements, doubt_of, runs_outside
from roost.migrations._plan import AppliedStep, PluginState
from roost.migrations._records import SkippedStep
from roost.migrations._versions import UNVERSIONED, compare_versions, parse_version
from roost.runtime import parse_dependency

if TYPE_CHECKING:
    from roost.migrations._step import MigrationStep, StepBody
    from roost.runtime import Plugin


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoneStep:
    """An applied step to be undone.

    Attributes:
        row: The ledger's row.
        description: What the step had done, as far as the code still says it.
        down: The way back.
        version_after: The plugin's version once it is undone.
        chain_after: The chain's hash then.
        transactional: Whether its way back runs in a transaction.
    """

    row: AppliedStep
    description: str
    down: StepBody
    version_after: str | None
    chain_after: str | None
    transactional: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackPlan:
    """What a rollback undoes, in order, what it leaves in place, and the version it ends at."""

    plugin: str
    steps: tuple[UndoneStep, ...]
    skipped: tuple[SkippedStep, ...]
    version_after: str | None
    chain_after: str | None

    @property
    def shape_before(self) -> str | None:
        """What the plugin's schema held before the last step to be undone, where that was noted and nothing is left in place."""
        return self.steps[-1].row.shape_before if self.steps and not self.skipped else None

    def undone_in(self, state: PluginState) -> list[UndoneStep]:
        """Return the steps that are undone already, in order; a row that a later run wrote is not the one that was to go."""
        standing = {(row.step, row.run) for row in state.applied}
        return [step for step in self.steps if (step.row.step, step.row.run) not in standing]

    def seen_in(self, state: PluginState) -> RollbackPlan:
        """Return the same plan with the rows of the ledger as they are now: one may have been begun to be undone.

        Raises:
            StepOutcomeUnknown: Only a person can find out how far that came.
        """
        now = {(row.step, row.run): row for row in state.applied}
        steps = tuple(replace(step, row=now.get((step.row.step, step.row.run), step.row)) for step in self.steps)
        for step in steps:
            _refuse_doubt(step.row, step.down, plugin=self.plugin)
        return replace(self, steps=steps)


def plan_rollback(
    state: PluginState,
    declared: Mapping[str, MigrationStep],
    *,
    plugin: str,
    version: str | None = None,
    steps: int | None = None,
    run: int | None = None,
    skip_irreversible: bool = False,
) -> RollbackPlan:
    """Plan a rollback in reverse applied order. Without `version`, `steps` and `run` everything is undone.

    Args:
        state: What the ledger holds.
        declared: The steps that the code still has, by id; for the others the stored SQL is the way back.
        plugin: The plugin.
        version: Undo what lies above this version.
        steps: Undo so many steps.
        run: Undo what this run applied.
        skip_irreversible: Leave steps without a `down` in place instead of refusing.

    Returns:
        The plan.

    Raises:
        UnknownRollbackTarget: The ledger doesn't hold the version, the run, or so many steps.
        DependantApplied: Steps that were applied after the run's are in the way.
        NoRollbackMethod: A step has no `down`, or is said to be irreversible.
        InvalidPluginVersion: `version` is no version.
    """
    chosen = _begun_first(state, _choose(state, plugin=plugin, version=version, steps=steps, run=run))
    remaining = _Remaining(state.applied)
    undone: list[UndoneStep] = []
    skipped: list[SkippedStep] = []
    reached = state.version
    for row in chosen:
        step = declared.get(row.step)
        body, reason = _way_back(row, step)
        if body is None:
            if not skip_irreversible:
                raise NoRollbackMethod(plugin=plugin, step=row.step, reason=reason)
            skipped.append(SkippedStep(plugin=plugin, step=row.step, version=row.version, reason=reason))
            continue
        remaining.remove(row)
        reached = remaining.highest_below(row.version)
        undone.append(
            undone_step(row, step=step, down=body, plugin=plugin, version_after=reached, chain_after=remaining.chain),
        )
    if version is not None and compare_versions(version, UNVERSIONED) > 0:
        reached = version
    elif version is not None or (steps is None and run is None):
        reached = None
    return RollbackPlan(plugin=plugin, steps=tuple(undone), skipped=tuple(skipped), version_after=reached, chain_after=remaining.chain)


class _Remaining:
    """The applied steps that remain while one after another is undone. The last ones go first, so all is looked for from the end."""

    def __init__(self, applied: Sequence[AppliedStep]) -> None:
        self._rows = list(applied)
        self._counts = Counter(row.version for row in applied)
        self._highest_first = deque(sorted(self._counts, key=parse_version, reverse=True))

    @property
    def chain(self) -> str | None:
        """The chain's hash after the last of them."""
        return self._rows[-1].chain if self._rows else None

    def remove(self, row: AppliedStep) -> None:
        """Take a step away."""
        place = next(place for place in reversed(range(len(self._rows))) if self._rows[place] is row)
        del self._rows[place]
        self._counts[row.version] -= 1
        while self._highest_first and not self._counts[self._highest_first[0]]:
            self._highest_first.popleft()

    def highest_below(self, version: str) -> str | None:
        """Return the highest of their versions that is below another; None where none is."""
        return next((one for one in self._highest_first if self._counts[one] and compare_versions(one, version) < 0), None)


def _way_back(row: AppliedStep, step: MigrationStep | None) -> tuple[StepBody | None, str | None]:
    """Return how a step is undone; where it can't be, why, as far as the code says."""
    if step is None:
        return row.down_sql, None
    if step.irreversible is not None:
        return None, step.irreversible
    return step.down if step.down is not None else row.down_sql, None


def undone_step(
    row: AppliedStep, *, step: MigrationStep | None, down: StepBody, plugin: str, version_after: str | None, chain_after: str | None
) -> UndoneStep:
    """Return what it takes to undo one step.

    Args:
        row: The step's row.
        step: The step as the code declares it; None where only the ledger knows it.
        down: Its way back.
        plugin: The plugin.
        version_after: The plugin's version once it is undone.
        chain_after: The chain's hash then.

    Raises:
        InvalidStep: The way back runs outside a transaction and could not be taken up again after a crash.
        StepOutcomeUnknown: It was begun, and only a person can find out how far it came.
    """
    is_outside = row.state == "undoing" or runs_outside(step, down)
    if is_outside:
        check_statements(str(down), step=row.step)
    _refuse_doubt(row, down, plugin=plugin)
    return UndoneStep(
        row=row,
        description="" if step is None else step.description,
        down=down,
        version_after=version_after,
        chain_after=chain_after,
        transactional=not is_outside,
    )


def _refuse_doubt(row: AppliedStep, down: StepBody, *, plugin: str) -> None:
    if row.state != "undoing":
        return
    unknown = doubt_of(str(down), plugin=plugin, name=row.step, ended=row.statements_done, is_same=down == row.down_sql)
    if unknown is not None:
        raise unknown


def begun_to_be_undone(state: PluginState, *, plugin: str) -> UndoneStep | None:
    """Return the step whose way back outside a transaction was begun and not seen to end, by the SQL that the ledger keeps of it.

    Args:
        state: What the ledger holds, ways back included.
        plugin: The plugin.

    Returns:
        What ends it; None where there is no such step.

    Raises:
        StepOutcomeUnknown: Only a person can find out how far it came.
    """
    row = next((row for row in state.applied if row.state == "undoing"), None)
    if row is None:
        return None
    remaining = _Remaining(state.applied)
    remaining.remove(row)
    version = remaining.highest_below(row.version)
    return undone_step(row, step=None, down=row.down_sql or "", plugin=plugin, version_after=version, chain_after=remaining.chain)


def _begun_first(state: PluginState, chosen: Sequence[AppliedStep]) -> list[AppliedStep]:
    """Put steps into the order in which they are undone: the last one first, and before all others the one that was begun."""
    begun = [row for row in state.applied if row.state == "undoing"]
    return begun + [row for row in reversed(chosen) if row not in begun]


def _choose(state: PluginState, *, plugin: str, version: str | None, steps: int | None, run: int | None) -> list[AppliedStep]:
    rows = list(state.applied)
    if sum(choice is not None for choice in (version, steps, run)) > 1:
        raise UnknownRollbackTarget(plugin=plugin, target="several targets at once (give a version, steps or a run)")
    if version is not None and compare_versions(version, UNVERSIONED) > 0:
        known = sorted({row.version for row in rows} | ({state.version} if state.version else set()), key=parse_version)
        if not any(compare_versions(version, one) == 0 for one in known):
            raise UnknownRollbackTarget(plugin=plugin, target=f"version {version}", known=tuple(known))
        return [row for row in rows if compare_versions(row.version, version) > 0]
    if steps is not None:
        if not 0 < steps <= len(rows):
            target = "before its last step" if steps == 1 else f"before its last {steps} steps"
            raise UnknownRollbackTarget(plugin=plugin, target=target, known=(f"{len(rows)} of them",) if rows else ())
        return rows[len(rows) - steps :]
    if run is not None:
        chosen = [row for row in rows if row.run == run]
        if not chosen:
            runs = tuple(f"run {number}" for number in sorted({row.run for row in rows}))
            raise UnknownRollbackTarget(plugin=plugin, target=f"before run {run}", known=runs)
        later = tuple(row.step for row in rows[rows.index(chosen[0]) :] if row.run != run)
        if later:
            raise DependantApplied(plugin=plugin, dependants=later)
        return chosen
    return rows


def check_dependants(
    plan: RollbackPlan, *, requiring: Sequence[tuple[str, str, str]], dependent_plugins: Mapping[str, SpecifierSet]
) -> None:
    """Refuse a rollback that would take away what something applied stands on.

    Args:
        plan: The rollback.
        requiring: Applied steps of other plugins that require steps of this one, each (plugin, step, required step id).
        dependent_plugins: Plugins that depend on this one and have applied steps, with the versions they accept.

    Raises:
        DependantApplied: There is such a thing.
    """
    names = dependants(
        {step.row.step for step in plan.steps},
        version_after=plan.version_after,
        requiring=requiring,
        dependent_plugins=dependent_plugins,
    )
    if names:
        raise DependantApplied(plugin=plan.plugin, dependants=names)


def dependants(
    gone: Collection[str],
    *,
    version_after: str | None,
    requiring: Sequence[tuple[str, str, str]],
    dependent_plugins: Mapping[str, SpecifierSet],
) -> tuple[str, ...]:
    """Return what stands on steps that are to go.

    Args:
        gone: The ids of the steps.
        version_after: The version that their plugin is at then.
        requiring: As of `check_dependants`.
        dependent_plugins: As above.
    """
    names = [f"{plugin}:{step}" for plugin, step, required in requiring if required in gone]
    for plugin, accepted in dependent_plugins.items():
        if gone and (version_after is None or not accepted.contains(version_after, prereleases=True)):
            names.append(f"plugin {plugin}")
    return tuple(names)


def plugins_on(plugin: str, plugins: Iterable[Plugin]) -> dict[str, SpecifierSet]:
    """Return the plugins that depend on one, with the versions of it that they accept."""
    found: dict[str, SpecifierSet] = {}
    for other in plugins:
        for text in other.dependencies:
            name, accepted = parse_dependency(text)
            if name == plugin:
                found[other.name] = accepted
    return found


def highest_below(version: str, rows: Sequence[AppliedStep]) -> str | None:
    """Return the highest version of the rows that is below another; None where none is."""
    below = [row.version for row in rows if compare_versions(row.version, version) < 0]
    return max(below, key=parse_version, default=None)
