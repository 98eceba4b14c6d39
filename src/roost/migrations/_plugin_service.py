"""A plugin's own steps: a list of them, or computed from two versions in the seed's form."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from roost.errors import InvalidStep, NoDatabase, VersionPassed
from roost.migrations import _ledger as ledger
from roost.migrations._doubts import check_outcomes
from roost.migrations._dry_run import undone_steps
from roost.migrations._fingerprint import digest
from roost.migrations._limit import RunLimit, up_to_version
from roost.migrations._orchestrator import MigrationOrchestrator
from roost.migrations._outline import ByOutline, RowsWanted, plan_chain_by_outline, plan_computed_by_outline
from roost.migrations._plan import LEGACY_STEP, Plan, PluginState
from roost.migrations._planner import in_order, plan_chain, plan_computed, refuse_breaking, rows_above
from roost.migrations._reading import reading
from roost.migrations._records import MigrationRecord, MigrationReport
from roost.migrations._repeatable import in_turn
from roost.migrations._repeatable_step import RepeatableStep
from roost.migrations._reserved import check_schema
from roost.migrations._rollback import RollbackPlan, check_dependants, plan_rollback, plugins_on
from roost.migrations._service import MigrationService
from roost.migrations._step import MigrationStep
from roost.migrations._versions import UNVERSIONED, compare_versions
from roost.migrations._whole_plan import with_repeatable

if TYPE_CHECKING:
    from roost.migrations._config import Policy
    from roost.migrations._outline import AppliedOutline, OutlinePlan
    from roost.migrations._run import MigrationRun
    from roost.postgres import MigrationSession


class PluginMigrationService(MigrationService):
    """Runs a plugin's migration steps, each once, each in a transaction of its own.

    Give the steps as a list, or override `get_target_version` and `get_migration_steps`.

    Attributes:
        steps: All steps of the plugin, old ones included. Their order is version, then place in the list.
        repeatable: What is run again after the steps whenever its text changes. The order is that of the list, but for `after`.
        schema: The PostgreSQL schema for the steps' unqualified names, made where it is missing; None is ``public``.
    """

    steps: Sequence[MigrationStep] = ()
    repeatable: Sequence[RepeatableStep] = ()
    schema: ClassVar[str | None] = None

    def get_target_version(self) -> str:
        """Return the version the code aims at; by default that of the last step."""
        declared = self._declared()
        return declared[-1].version or UNVERSIONED if declared else UNVERSIONED

    def get_migration_steps(self, from_version: str, to_version: str) -> Sequence[MigrationStep]:
        """Return the steps that lead from one version to another; by default those of `steps` in between.

        Args:
            from_version: Where the database is; ``"0.0.0"`` when nothing is applied.
            to_version: The target.

        Returns:
            The steps; one without a version gets `to_version`.
        """
        return [
            step
            for step in self._declared()
            if compare_versions(step.version, to_version) <= 0
            and (compare_versions(step.version, from_version) > 0 or from_version == UNVERSIONED)
        ]

    async def migrate(self, run: MigrationRun) -> None:
        """Run the steps that are not applied yet."""
        policy, limit = run.config.policy, run.limit
        # Who plans in a way of its own is shown all rows.
        by_outline = ByOutline(plan=lambda outline: self._plan_by_outline(outline, policy), apart=LEGACY_STEP)
        await run.carry_out(
            lambda state: self.plan(state, policy) if limit is None else self.plan_within(limit, state, policy),
            plugin=self.plugin_name,
            service=self.service_name,
            schema=self.schema,
            by_outline=by_outline if limit is None and self._plans_as_listed() else None,
            # Who has a turn of its own may have more to do in it.
            ends_turn=type(self).migrate is PluginMigrationService.migrate and type(self).run_migrations is MigrationService.run_migrations,
        )

    def has_plugin_migrations(self, plugin_name: str, /) -> bool:
        """Tell whether these are the plugin's migrations, and whether there are any."""
        return plugin_name == self.plugin_name and (self.target_version() is not None or bool(self.load_repeatable()))

    async def get_migration_history(self, plugin_name: str | None = None, /) -> Sequence[MigrationRecord]:
        """Return the plugin's attempts, newest first; errors as of `MigrationService.get_migration_history`."""
        if plugin_name not in (None, self.plugin_name):
            return []
        async with reading(self._bound()) as session:
            return [] if session is None else await ledger.history(session, plugin=self.plugin_name)

    async def upgrade(self, version: str | None = None, *, steps: int | None = None, dry_run: bool = False) -> MigrationReport:
        """Run what is pending of this plugin alone, in a run of its own under the lock, and stop where it is told to.

        What is repeatable runs once no step is left in front of it. The next run of all migrations takes the rest.

        Args:
            version: Take no step above this version; by default all are taken. What was begun outside a transaction, there or back, is
                ended first, whatever its version.
            steps: Take no more than so many.
            dry_run: Write nothing, take no lock, and report the steps that would be taken.

        Returns:
            What was done.

        Raises:
            UnknownVersion: The steps don't lead to that version.
            VersionPassed: The plugin is above that version already.
            InvalidPluginVersion: `version` is no version.
            InvalidConfiguration: `steps` is below 1.
            NoDatabase: The runtime has no database.
            RoostError: As `MigrationOrchestrator.run_all_migrations`; a database ahead of the code is an error here.
        """
        return await MigrationOrchestrator(self._bound()).run_part(self, RunLimit(version=version, steps=steps), dry_run=dry_run)

    async def rollback(
        self,
        version: str | None = None,
        *,
        steps: int | None = None,
        run: int | None = None,
        dry_run: bool = False,
        skip_irreversible: bool = False,
    ) -> MigrationReport:
        """Undo steps in reverse applied order, under the lock. It is planned and, where it can't be done, refused first.

        Args:
            version: Undo what lies above this version; without this, `steps` and `run`, everything is undone.
            steps: Undo so many steps.
            run: Undo what the run of this number applied.
            dry_run: Undo nothing, and report what would be undone.
            skip_irreversible: Leave steps without a `down` in place instead of refusing.

        Returns:
            What was undone.

        Raises:
            UnknownRollbackTarget: The ledger doesn't hold the version, the run, or so many steps.
            NoRollbackMethod: A step has no `down`.
            DependantApplied: Something applied needs what would be undone.
            NoDatabase: The runtime has no database.
            StepFailed: A `down` failed; what was undone before stays undone.
            DatabaseError: The database can't be used.
        """

        async def planned(session: MigrationSession) -> tuple[RollbackPlan, str | None]:
            state = (await ledger.plugin_state(session, self.plugin_name, with_down=True)).without(LEGACY_STEP)
            check_outcomes(state, self.known_steps(state), plugin=self.plugin_name)
            plan = plan_rollback(
                state,
                {step.id: step for step in self.known_steps(state)},
                plugin=self.plugin_name,
                version=version,
                steps=steps,
                run=run,
                skip_irreversible=skip_irreversible,
            )
            requiring = await ledger.requiring_steps(session, self.plugin_name)
            dependent = {
                plugin: accepted
                for plugin, accepted in plugins_on(self.plugin_name, runtime.plugins).items()
                if (await ledger.plugin_state(session, plugin)).applied
            }
            check_dependants(plan, requiring=requiring, dependent_plugins=dependent)
            return plan, state.head

        runtime = self._bound()
        if dry_run:
            async with reading(runtime) as session:
                if session is None:
                    raise NoDatabase(services=(self.service_name,))
                plan, _ = await planned(session)
            return MigrationReport(
                run_id=None,
                done=(),
                failed=(),
                not_run=(self.service_name,),
                waited=0.0,
                duration=0.0,
                steps=undone_steps(plan.steps, plugin=plan.plugin),
                skipped=plan.skipped,
            )

        async def undo(current: MigrationRun) -> None:
            plan, head = await planned(current.session)
            await current.undo(plan, planned_on=head, service=self.service_name, schema=self.schema)

        return await MigrationOrchestrator(runtime).in_a_run(self, undo)

    def declaration(self, policy: Policy, /) -> str:
        """Return the digest of what the code declares: the chain of steps, or the target where steps are computed, and what is repeatable.

        Raises:
            InvalidIdentifier: `schema` can't be the name of a plugin's schema.
        """
        check_schema(self.schema)
        if self._computes_steps():
            return digest(["computed", self.get_target_version(), *self._declared_repeatable(taken=())])
        source = self.steps_source()
        if source is not None:
            return digest(["source", policy, self._own_aim() or "", source, *self._declared_repeatable(taken=())])
        declared = self._declared()
        # Column by column: a start with nothing to do passes here with all steps of the plugin.
        ids = [step.id for step in declared]
        versions = [step.version or UNVERSIONED for step in declared]
        texts = [step.declared_text for step in declared]
        repeatable = self._declared_repeatable(taken=ids)
        return digest(["steps", policy, self._target(declared) or "", *ids, *versions, *texts, *repeatable])

    def target_version(self) -> str | None:
        """Return the version the code aims at; None without any step."""
        if self._computes_steps():
            return self.get_target_version()
        return self._target(self._declared())

    def plan(self, state: PluginState, policy: Policy, /) -> Plan:
        """Decide what is to be run; in the computed form this asks for the steps, unless the target is reached.

        Raises:
            MigrationError: Code and ledger don't fit each other.
        """
        return self._planned((), state, policy)

    def plan_behind(self, claimed: Collection[str], state: PluginState, policy: Policy, /) -> Plan:
        """Plan as `plan` does, with steps that are to be claimed in front of all others, as far as `arrange` lets them.

        Where `plan` is overridden, its order is the only one.

        Args:
            claimed: The ids of these steps.
            state: What the ledger holds.
            policy: What to do about steps that are missing or out of order.

        Raises:
            MigrationError: Code and ledger don't fit each other.
        """
        return self._planned(claimed, state, policy) if type(self).plan is PluginMigrationService.plan else self.plan(state, policy)

    def _planned(self, claimed: Collection[str], state: PluginState, policy: Policy) -> Plan:
        state = state.without(LEGACY_STEP)
        if self._computes_steps():
            plan = replace(self._plan_computed(state.without_undone(), policy), is_undoing=state.is_undoing)
            taken = [planned.step.id for planned in plan.steps]
        else:
            declared = self._declared()
            taken = [step.id for step in declared]
            behind = [name for name in taken if name in claimed] if claimed else []
            declared = self.arrange(declared, [row.step for row in state.applied] + behind)
            plan = plan_chain(declared, state, plugin=self.plugin_name, policy=policy, target=self._target(declared))
        return with_repeatable(plan, in_turn(self.load_repeatable(), plugin=self.plugin_name, taken=taken), state)

    def _plan_computed(self, state: PluginState, policy: Policy) -> Plan:
        target = self.get_target_version()
        distance = compare_versions(state.version, target)
        if distance < 0:
            returned = self.get_migration_steps(state.version or UNVERSIONED, target)
            steps = in_order(returned, plugin=self.plugin_name, default_version=target)
            return plan_computed(steps, state, plugin=self.plugin_name, policy=policy, target=target)
        check_outcomes(state, (), plugin=self.plugin_name)
        newer = rows_above(target, state)
        refuse_breaking(newer, plugin=self.plugin_name)
        return Plan(
            plugin=self.plugin_name,
            from_version=state.version,
            target=target,
            ahead=tuple(row.step for row in newer),
            is_ahead=bool(newer) or distance > 0,
        )

    def _plan_by_outline(self, outline: AppliedOutline, policy: Policy) -> OutlinePlan:
        """Make the plan of `plan` without a row for each applied step, or say which rows that takes."""
        if not self._computes_steps():
            declared = self._declared()
            target = self._target(declared)
            planned = plan_chain_by_outline(declared, outline, plugin=self.plugin_name, policy=policy, target=target)
            return self._then_repeatable(planned, outline, taken=[step.id for step in declared])
        if not outline.are_done:
            # What is in doubt decides from which version on the steps are asked for.
            return RowsWanted(then=lambda state: self.plan(state, policy))
        target = self.get_target_version()
        if compare_versions(outline.version, target) < 0:
            returned = self.get_migration_steps(outline.version or UNVERSIONED, target)
            steps = in_order(returned, plugin=self.plugin_name, default_version=target)
            planned = plan_computed_by_outline(steps, outline, plugin=self.plugin_name, policy=policy, target=target)
            return self._then_repeatable(planned, outline, taken=[step.id for step in steps])
        newer = outline.above(target)
        if not newer:
            return self.plan(outline.state, policy)
        return RowsWanted(then=lambda state: self.plan(state, policy), steps=(), versions=newer)

    def _then_repeatable(self, planned: OutlinePlan, outline: AppliedOutline, *, taken: Sequence[str]) -> OutlinePlan:
        """Add the repeatable steps to a plan that was made by an outline, or to the one that follows once rows are read."""

        def complete(plan: Plan, state: PluginState) -> Plan:
            return with_repeatable(plan, in_turn(self.load_repeatable(), plugin=self.plugin_name, taken=taken), state)

        if not isinstance(planned, RowsWanted):
            return complete(planned, outline.state)
        return replace(planned, then=lambda state: complete(planned.then(state), state))

    def plan_within(self, limit: RunLimit, state: PluginState, policy: Policy, /) -> Plan:
        """Plan as `plan` does, up to the version of a limit.

        Raises:
            UnknownVersion: The steps don't lead to that version.
            VersionPassed: The plugin is above it already.
            MigrationError: Code and ledger don't fit each other.
        """
        plan = self.plan(state, policy)
        version = limit.version
        if version is None or plan.is_ahead or compare_versions(version, plan.target) == 0:
            return plan
        if plan.from_version is not None and compare_versions(plan.from_version, version) > 0:
            raise VersionPassed(plugin=self.plugin_name, version=version, current=plan.from_version)
        return self.plan_up_to(version, state, policy)

    def plan_up_to(self, version: str, state: PluginState, policy: Policy, /) -> Plan:
        """Plan as `plan` does, as if the code aimed at an earlier version; in the computed form that is asked for its steps anew.

        Raises:
            UnknownVersion: The steps don't lead to that version.
            MigrationError: Code and ledger don't fit each other.
        """
        plan = self.plan(state, policy)
        if not self._computes_steps():
            return up_to_version(plan, version)
        target = self.get_target_version()
        state = state.without(LEGACY_STEP).without_undone()
        returned = self.get_migration_steps(state.version or UNVERSIONED, version) if compare_versions(version, target) <= 0 else ()
        if not returned or all(step.version is not None for step in returned):
            up_to_version(plan, version)  # it refuses what is none of their versions
        ids = {step.id for step in returned}
        begun = [planned.step for planned in plan.steps if planned.begun is not None and planned.step.id not in ids]
        steps = in_order([*returned, *begun], plugin=self.plugin_name, default_version=version)
        part = plan_computed(steps, state, plugin=self.plugin_name, policy=policy, target=version)
        return replace(part, is_undoing=plan.is_undoing)

    def known_steps(self, state: PluginState, /) -> list[MigrationStep]:
        """Return all steps of the plugin; in the computed form those up to the version that the code aims at, or the ledger is at."""
        if not self._computes_steps():
            return self._declared()
        target = self.get_target_version()
        highest = target if compare_versions(state.version, target) < 0 else state.version or target
        return in_order(self.get_migration_steps(UNVERSIONED, highest), plugin=self.plugin_name, default_version=target)

    def load_steps(self) -> Sequence[MigrationStep]:
        """Return all steps of the plugin; for services that don't keep them in `steps`."""
        return self.steps

    def arrange(self, steps: list[MigrationStep], applied: Sequence[str], /) -> list[MigrationStep]:
        """Return all steps in an order in which the applied ones come first, where steps may be applied in several orders.

        By default there is one order, that of the list.

        Args:
            steps: All steps, as they are listed.
            applied: The ids of the applied ones, in applied order; the code may lack some.
        """
        del applied
        return steps

    def steps_source(self) -> str | None:
        """Return what stands for all steps, where that can be told without loading them; by default None, and they are loaded.

        A start at which it is what was found satisfied last loads no step.
        """
        return None

    def _own_aim(self) -> str | None:
        if type(self).get_target_version is not PluginMigrationService.get_target_version:
            return self.get_target_version()
        plugin = self._owner()
        return plugin.version if plugin is not None else None

    def load_repeatable(self) -> Sequence[RepeatableStep]:
        """Return all repeatable steps of the plugin; for services that don't keep them in `repeatable`."""
        return self.repeatable

    def _declared_repeatable(self, *, taken: Sequence[str]) -> list[str]:
        """Return what the repeatable steps contribute to the digest of the declaration; nothing, where there are none."""
        return self._parts_of(in_turn(self.load_repeatable(), plugin=self.plugin_name, taken=taken))

    @staticmethod
    def _parts_of(repeatable: Sequence[RepeatableStep]) -> list[str]:
        return [part for step in repeatable for part in ("repeatable", step.id, step.declared_text, str(len(step.after)), *step.after)]

    def _plans_as_listed(self) -> bool:
        cls = type(self)
        return cls.plan is PluginMigrationService.plan and cls.arrange is PluginMigrationService.arrange

    def _computes_steps(self) -> bool:
        return type(self).get_migration_steps is not PluginMigrationService.get_migration_steps

    def _target(self, declared: Sequence[MigrationStep]) -> str | None:
        if not declared and not self.load_repeatable():
            return None
        own = type(self).get_target_version is not PluginMigrationService.get_target_version
        return declared[-1].version if declared and not own else self._own_aim()

    def _declared(self) -> list[MigrationStep]:
        steps = self.load_steps()
        for step in () if set(map(type, steps)) == {MigrationStep} else steps:
            if not isinstance(step, MigrationStep):
                raise InvalidStep(step=repr(step), reason=f"{self.service_name} lists it, and it is no MigrationStep")
        plugin = self._owner()
        return in_order(steps, plugin=self.plugin_name, default_version=plugin.version if plugin is not None else None)
