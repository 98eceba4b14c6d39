"""One run: what the services that take their turns in it may do, plan by plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from roost.errors import DatabaseAhead, MigrationLockLost, NoDatabase
from roost.migrations import _ledger as ledger
from roost.migrations._doubts import check_outcomes
from roost.migrations._dry_run import changed_steps
from roost.migrations._events import DatabaseAheadNoticed, PolicyNoticed, RepeatableStepsLeft, StepsChanged, StepSkipped
from roost.migrations._groups import DEFAULT_SCHEMA, Turn
from roost.migrations._ledger_run import Settled
from roost.migrations._outline import ByOutline, RowsWanted, plan_chain_by_outline
from roost.migrations._outside_statements import check_outside
from roost.migrations._plan import LEGACY_STEP, PlannedStep, PluginState
from roost.migrations._planner import in_order, plan_chain
from roost.migrations._requirements import check_requirements, refuse_outside_transactions
from roost.migrations._rollback import begun_to_be_undone
from roost.migrations._run_entry import KEY, RunEntry
from roost.migrations._runner import Closing, StepRunner
from roost.migrations._sent_steps import SentSteps
from roost.migrations._shape import compare_shape
from roost.migrations._turn_wait import TurnTaken
from roost.postgres import is_connection_lost, sqlstate_of

if TYPE_CHECKING:
    from roost.errors import SessionLost
    from roost.migrations._config import MigrationConfig
    from roost.migrations._limit import RunLimit
    from roost.migrations._plan import Plan
    from roost.migrations._protocol import IMigrationService
    from roost.migrations._records import BlockedChange, ChangedStep, SkippedStep, StepReport
    from roost.migrations._repeatable import PlannedRepeatable
    from roost.migrations._rollback import RollbackPlan, UndoneStep
    from roost.migrations._states import MigrationStates
    from roost.migrations._step import MigrationStep
    from roost.postgres import Database, MigrationSession
    from roost.runtime import Runtime


@dataclass(slots=True, eq=False)
class MigrationRun:
    """A run in progress. A migration service gets it in `migrate`, and hands its steps to `apply`.

    Attributes:
        runtime: The runtime whose services take part.
        config: How steps run.
        services: The names of the services that take part, in order.
        settled_wish: For each plugin the digest that leaves nothing to do; None where only a run can tell.
        refuse_ahead: Whether a database ahead of the code is an error also where the code could live with it.
        allow_data_loss: What declared schemas may lose beside what the configuration allows, by name.
        limit: How far it goes with the steps of its one service; None is to their end.
        wants_lock: Services that may only run while the run holds the lock, because they keep no ledger that would tell them apart.
        steps: What was done, in order.
        changed: Applied steps whose bodies were found to be others than the ones that ran.
        skipped: What a rollback left in place.
        blocked: What a dry run found that a run would refuse for fear of loss.
    """

    runtime: Runtime
    config: MigrationConfig
    database: Database | None
    emit: Callable[[object], None]
    states: MigrationStates
    services: tuple[str, ...] = ()
    settled_wish: Mapping[str, str] | None = None
    refuse_ahead: bool = False
    allow_data_loss: frozenset[str] = frozenset()
    limit: RunLimit | None = None
    wants_lock: tuple[str, ...] = ()
    steps: list[StepReport] = field(default_factory=list)
    changed: list[ChangedStep] = field(default_factory=list)
    skipped: list[SkippedStep] = field(default_factory=list)
    blocked: list[BlockedChange] = field(default_factory=list)
    versions: dict[str, str | None] = field(default_factory=dict)
    _entry: RunEntry = field(init=False)
    _heads: dict[str, str | None] = field(default_factory=dict)
    _repeatable: dict[str, dict[str, str]] = field(default_factory=dict)
    _sent: SentSteps = field(init=False)
    _last_turn: tuple[str, Mapping[str, str]] | None = None

    def __post_init__(self) -> None:
        self._sent = SentSteps(self.emit)
        self._entry = RunEntry(
            database=self.database,
            config=self.config,
            services=self.services,
            wants_lock=self.wants_lock,
            wish=self.settled_wish,
            states=self.states,
            emit=self.emit,
            wants=self._is_heard,
        )

    def _is_heard(self, event_type: type) -> bool:
        events = getattr(self.runtime, "events", None)
        return events is not None and bool(events.wants(event_type))

    @property
    def run_id(self) -> str | None:
        """The run's id in the ledger; None while there was nothing to do."""
        return self._entry.run_id

    @property
    def number(self) -> int:
        """The run's number: it grows with every run of the database."""
        return self._entry.number

    @property
    def waited(self) -> float:
        """Seconds spent waiting for the lock, or for turns."""
        return self._entry.waited

    @property
    def session(self) -> MigrationSession:
        """The run's one session.

        Raises:
            NoDatabase: The runtime has no database.
        """
        return self._entry.session

    @property
    def has_session(self) -> bool:
        """Whether the run has a database at all."""
        return self._entry.has_session

    @property
    def is_broken(self) -> bool:
        """Whether the run's connection is gone, so that only a new one can go on."""
        return self._entry.is_broken

    async def begin(self) -> bool:
        """Connect, look, and take the lock if there is something to do; errors as of `RunEntry.begin`.

        Returns:
            False when what is settled already satisfies this run: no lock is held then.
        """
        return await self._entry.begin()

    async def begin_again(self, error: BaseException, *, attempt: int) -> bool:
        """Connect and lock anew after the connection broke; results and errors as of `begin`.

        Where another connection finds everything settled, what became of the steps that were sent is read on it, as often as it breaks.
        """
        self._entry.drop(error, attempt=attempt)
        while not await self._entry.begin():
            try:
                for plugin in self._sent.plugins:
                    self._learn(await self.state(plugin), plugin=plugin)
            except Exception as broken:
                if not self.is_broken or not is_connection_lost(broken):
                    raise
                if attempt >= self.config.max_retries:
                    raise self.lost(broken, attempts=attempt) from broken
                attempt += 1
                self._entry.drop(broken, attempt=attempt)
            else:
                return False
        return True

    def lost(self, error: BaseException, *, attempts: int) -> SessionLost:
        """Return what to raise when the connection broke too often."""
        return self._entry.lost(error, attempts=attempts)

    async def end(self, settled: Mapping[str, str]) -> None:
        """Settle what is satisfied, close the run and give the lock back, also while being cancelled; errors as of `RunEntry.end`."""
        await self._entry.end(self._settled(settled, self._heads))

    def abandon(self) -> None:
        """Drop the connection at once, and with it the lock and what is in hand."""
        self._entry.abandon()

    async def state(self, plugin: str) -> PluginState:
        """Read where a plugin stands."""
        # Under the lock nobody else writes into a ledger that this run has just made.
        if self._entry.is_alone_in_ledger and plugin not in self._heads:
            return PluginState(version=None, applied=())
        return await ledger.plugin_state(self.session, plugin)

    async def apply(
        self, service: IMigrationService, steps: Sequence[MigrationStep], *, schema: str | None = None
    ) -> tuple[StepReport, ...]:
        """Run those of a service's steps that are not applied yet, each once.

        Args:
            service: The service whose steps these are; its plugin names them in the ledger.
            steps: The whole chain of the plugin's steps.
            schema: The PostgreSQL schema for unqualified names; made where it is missing. None is ``public``.

        Returns:
            What was done.

        Raises:
            RoostError: As `plan_chain` and the runner raise it.
        """
        plugin = getattr(service, "plugin_name", service.service_name)
        declared = in_order(steps, plugin=plugin, default_version=None)
        policy = self.config.policy
        return await self.carry_out(
            lambda state: plan_chain(declared, state, plugin=plugin, policy=policy),
            by_outline=ByOutline(plan=lambda outline: plan_chain_by_outline(declared, outline, plugin=plugin, policy=policy)),
            plugin=plugin,
            service=service.service_name,
            schema=schema,
        )

    async def carry_out(
        self,
        decide: Callable[[PluginState], Plan],
        *,
        plugin: str,
        service: str,
        schema: str | None,
        by_outline: ByOutline | None = None,
        ends_turn: bool = False,
        makes_schema: bool = True,
    ) -> tuple[StepReport, ...]:
        """Plan on what the ledger holds, and run the plan's steps in order; plan again where another run was quicker.

        Args:
            decide: Makes the plan.
            plugin: The plugin.
            service: The service whose turn it is.
            schema: The PostgreSQL schema for unqualified names; None is ``public``.
            by_outline: Makes the same plan without a row for each applied step, where it can; None reads all.
            ends_turn: Whether the service does nothing more in its turn, so that the run may end in the message of the last steps.
            makes_schema: Whether the schema is made first where it is missing; False where a step makes it.

        Returns:
            What was done.

        Raises:
            DatabaseAhead: The database is ahead, and this run refuses that.
            RequiredStepMissing: A step requires one that is not applied; nothing was run.
            StepFailed: A step failed; those before it are kept.
            PoolerInTheWay: A step can't be run through the pooler in between; nothing was run.
            InvalidStep: A step outside a transaction could not be taken up again after a crash; nothing was run.
        """
        before = len(self.steps)
        told = False
        while True:
            head, plan = await self._decide(decide, by_outline, plugin=plugin)
            self._heads[plugin] = head
            # Several services may have repeatable steps of one plugin.
            self._repeatable[plugin] = {**self._repeatable.get(plugin, {}), **dict(plan.repeatable_declared)}
            if not told:
                self._tell(plan, service=service)
                told = True
            if plan.is_ahead:
                return ()
            if plan.is_undoing:
                await self._end_way_back(plugin, service=service, schema=schema)
                continue
            if self.limit is not None:
                plan = self.limit.rest_of(plan, taken=sum(step.direction == "up" for step in self.steps))
            try:
                await self._carry_out(plan, planned_on=head, service=service, schema=schema, ends_turn=ends_turn, makes_schema=makes_schema)
            except TurnTaken as taken:
                self._sent.clear()
                if taken.is_busy:
                    await self._entry.wait.pause()
            else:
                self._entry.wait.over(acquired=bool(plan.steps or plan.repeatable))
                return tuple(self.steps[before:])

    async def _decide(self, decide: Callable[[PluginState], Plan], by_outline: ByOutline | None, *, plugin: str) -> tuple[str | None, Plan]:
        """Return the hash of the head that was planned on, and the plan."""
        is_new = self._entry.is_alone_in_ledger and plugin not in self._heads
        if by_outline is None or is_new or plugin in self._sent.plugins:
            state = await self.state(plugin)
            self._learn(state, plugin=plugin)
            return state.head, decide(state)
        while True:
            outline = await ledger.plugin_outline(self.session, plugin, apart=by_outline.apart)
            planned = by_outline.plan(outline)
            if not isinstance(planned, RowsWanted):
                return outline.head, planned
            state = await ledger.plugin_state(self.session, plugin, wanted=planned)
            # Behind a pooler another run may have come in between.
            if state.head == outline.head:
                state = state.without(by_outline.apart)
                # Where all rows are read the last one of them says it, whatever a plan leaves out.
                return state.head, planned.then(state if planned.steps is None else replace(state, last_chain=outline.chain))

    async def _carry_out(
        self, plan: Plan, *, planned_on: str | None, service: str, schema: str | None, ends_turn: bool, makes_schema: bool
    ) -> None:
        if any(planned.step.requires for planned in plan.steps):
            check_requirements(plan, await ledger.applied_names(self.session))
        if self.session.shares_server_process:
            steps = [planned.step.id for planned in plan.steps if not planned.step.transactional]
            refuse_outside_transactions(plan.plugin, steps, location=self.session.url.location)
        for planned in plan.steps:
            check_outside(planned.step)
        runner = self._runner(plan.plugin, service=service, schema=schema)
        if (plan.steps or plan.repeatable) and schema is not None and makes_schema:
            await runner.create_schema()

        def done(planned: PlannedStep | PlannedRepeatable, report: StepReport) -> None:
            self._entry.wait.over(acquired=True)
            self._sent.answered(report.step)
            self.steps.append(report)
            if isinstance(planned, PlannedStep):
                self._heads[plan.plugin] = planned.chain
                self.versions[plan.plugin] = planned.version_after

        reached = plan.steps[-1].version_after if plan.steps else plan.from_version
        is_short = plan.reaches is not None and plan.reaches != reached
        closing = self._closing(plan, service=service) if ends_turn and not is_short else None
        await runner.up(plan.steps, plan.repeatable, planned_on=planned_on, sent=self._sent.note, done=done, closing=closing)
        if plan.reaches is not None and is_short:
            chain = plan.steps[-1].chain if plan.steps else plan.chain
            await runner.reach(version=plan.reaches, chain=chain, planned_on=self._heads[plan.plugin])
            self._heads[plan.plugin] = chain or None
            self.versions[plan.plugin] = plan.reaches

    def last_turn(self, service: str, settled: Mapping[str, str]) -> None:
        """Note that the turn of the last service begins.

        Args:
            service: The service.
            settled: For each plugin that is satisfied once it is done the digest of its declaration.
        """
        self._last_turn = service, settled

    def _closing(self, plan: Plan, *, service: str) -> Closing | None:
        if self._last_turn is None or self._last_turn[0] != service:
            return None
        heads = {**self._heads, **({plan.plugin: plan.steps[-1].chain} if plan.steps else {})}
        return self._entry.closing(self._settled(self._last_turn[1], heads))

    def _settled(self, declarations: Mapping[str, str], heads: Mapping[str, str | None]) -> dict[str, Settled]:
        """Return what plugins are settled on, by the digests of their declarations and the hashes of their heads."""
        return {
            plugin: Settled(declaration=declaration, head=heads.get(plugin), repeatable=tuple(self._repeatable.get(plugin, {}).items()))
            for plugin, declaration in declarations.items()
        }

    def _learn(self, state: PluginState, *, plugin: str) -> None:
        self.steps.extend(self._sent.learn(state, plugin=plugin, runs=self._entry.numbers))

    async def undo(self, plan: RollbackPlan, *, planned_on: str | None, service: str, schema: str | None) -> tuple[StepReport, ...]:
        """Undo a rollback plan's steps in order, on a new session where the connection broke.

        Args:
            plan: The plan.
            planned_on: The head's hash that it was made on.
            service: The service whose rollback it is.
            schema: The PostgreSQL schema for unqualified names; None is ``public``.

        Raises:
            StepFailed: A step's way back failed; those undone before it stay undone.
            MigrationLockLost: Another run has changed the plugin meanwhile; what was undone before stays undone.
            SessionLost: The connection broke, as often as may be tried.
            PoolerInTheWay: A way back can't be taken through the pooler in between; nothing was undone.
            StepOutcomeUnknown: The connection broke in a statement of which only a person can find out what became of it.
        """
        if self.session.shares_server_process:
            outside = [one.row.step for one in plan.steps if not one.transactional]
            refuse_outside_transactions(plan.plugin, outside, location=self.session.url.location)
        for step in plan.skipped:
            self.emit(StepSkipped(plugin=plan.plugin, step=step.step, reason=step.reason))
        self.skipped.extend(plan.skipped)
        before, attempt = len(self.steps), 1
        undone: list[UndoneStep] = []

        def done(step: UndoneStep, report: StepReport) -> None:
            undone.append(step)
            self._sent.answered(report.step)
            self.steps.append(report)

        while True:
            runner = self._runner(plan.plugin, service=service, schema=schema)
            head = undone[-1].chain_after if undone else planned_on
            try:
                await runner.down(plan.steps, after=len(undone), planned_on=head, sent=self._sent.note, done=done)
                await compare_shape(self.session, plan, schema=schema, emit=self.emit)
                return tuple(self.steps[before:])
            except TurnTaken as taken:
                self._sent.clear()
                if not taken.is_busy:
                    raise _moved_on(plan.plugin) from taken
                await self._entry.wait.pause()
            except Exception as error:
                if not self.is_broken or not is_connection_lost(error):
                    raise
                plan = await self._plan_after(error, attempt=attempt, plan=plan, planned_on=planned_on, undone=undone)
                attempt += 1

    async def _plan_after(
        self, error: Exception, *, attempt: int, plan: RollbackPlan, planned_on: str | None, undone: list[UndoneStep]
    ) -> RollbackPlan:
        """Connect and lock anew after the connection broke, and learn which of a plan's steps are undone, and which was begun."""
        if attempt == self.config.max_retries:
            raise self.lost(error, attempts=attempt) from error
        await self.begin_again(error, attempt=attempt)
        state = await ledger.plugin_state(self.session, plan.plugin, with_down=True)
        check_outcomes(state, (), plugin=plan.plugin)
        self._learn(state, plugin=plan.plugin)
        undone[:] = plan.undone_in(state)
        if state.head != (undone[-1].chain_after if undone else planned_on):
            raise _moved_on(plan.plugin) from error
        return plan.seen_in(state)

    async def _end_way_back(self, plugin: str, *, service: str, schema: str | None) -> None:
        """End a way back outside a transaction that was begun and not seen to end."""
        state = (await ledger.plugin_state(self.session, plugin, with_down=True)).without(LEGACY_STEP)
        undone = begun_to_be_undone(state, plugin=plugin)
        if undone is None:
            return
        if self.session.shares_server_process:
            refuse_outside_transactions(plugin, [undone.row.step], location=self.session.url.location)

        def done(_: UndoneStep, report: StepReport) -> None:
            self._sent.clear()
            self.steps.append(report)

        runner = self._runner(plugin, service=service, schema=schema)
        await runner.down((undone,), after=0, planned_on=state.head, sent=self._sent.note, done=done)

    def _runner(self, plugin: str, *, service: str, schema: str | None) -> StepRunner:
        if self.database is None:
            raise NoDatabase(services=(service,))
        turn = self._turn(plugin, service=service, schema=schema)
        return StepRunner(self.session, turn=turn, wait=self._entry.wait, config=self.config, database=self.database, emit=self.emit)

    async def in_turn(self, compose: Callable[[Turn], str], *, plugin: str, service: str) -> None:
        """Send one fenced transaction that is no step, as soon as no other run is at work.

        Args:
            compose: Writes it.
            plugin: Whose place in the ledger it is about.
            service: Whose turn it is.

        Raises:
            MigrationLockLost: The run's turn is over, or another run has changed the plugin meanwhile; nothing was written.
            MigrationLockTimeout: Others were at work for too long.
        """
        try:
            await self._entry.wait.for_turn(self.session, compose(self._turn(plugin, service=service, schema=None)))
        except Exception as error:
            if sqlstate_of(error) in (ledger.LOCK_LOST, ledger.MOVED_ON):
                raise MigrationLockLost(detail=str(error)) from error
            raise

    def _turn(self, plugin: str, *, service: str, schema: str | None) -> Turn:
        return Turn(
            run=self.number,
            key=KEY,
            service=service,
            plugin=plugin,
            schema=schema or DEFAULT_SCHEMA,
            track_history=self.config.track_history,
            step_by_step=self.session.shares_server_process,
            begin=self.session.begin,
            resets=self.session.resets,
        )

    def _tell(self, plan: Plan, *, service: str) -> None:
        self.versions[plan.plugin] = plan.from_version
        for notice in plan.notices:
            self.emit(PolicyNoticed(plugin=plan.plugin, notice=notice))
        if plan.changed or plan.changed_functions:
            self.emit(StepsChanged(plugin=plan.plugin, steps=plan.changed + plan.changed_functions, functions=plan.changed_functions))
            self.changed += changed_steps(plan)
        if plan.repeatable_left:
            self.emit(RepeatableStepsLeft(plugin=plan.plugin, steps=plan.repeatable_left))
        if plan.is_ahead:
            if self.refuse_ahead:
                raise DatabaseAhead(plugin=plan.plugin, steps=plan.ahead, version=plan.from_version)
            self.states.set(service, "ahead")
            self.emit(DatabaseAheadNoticed(plugin=plan.plugin, steps=plan.ahead, version=plan.from_version))


def _moved_on(plugin: str) -> MigrationLockLost:
    return MigrationLockLost(detail=f"another run has changed plugin {plugin} meanwhile")


current_run: ContextVar[MigrationRun | None] = ContextVar("current_run", default=None)
"""The run in whose turn the present task is, so that a service joins it instead of opening another."""
