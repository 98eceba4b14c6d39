"""Rehearses pending steps under the migration lock, in one transaction that is always rolled back."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from roost.errors import MigrationLockTimeout, PoolerInTheWay, ReadOnlyServer, RehearsalLost, SchemaNotReached
from roost.migrations import _groups as groups
from roost.migrations import _rehearsal_groups as texts
from roost.migrations._events import (
    LockWaitFinished,
    LockWaitStarted,
    RehearsalFinished,
    RehearsalStarted,
    StepRehearsalFinished,
    StepRehearsalStarted,
)
from roost.migrations._ledger import check_readable
from roost.migrations._ledger_run import release
from roost.migrations._lock_holding import tell_run
from roost.migrations._planning import PlannedService, plan_services
from roost.migrations._protocol import keeps_schemas
from roost.migrations._reading import reading_by
from roost.migrations._rehearsal import (
    RehearsalReport,
    RehearsedStep,
    TakenLock,
    held_locks,
    moved_sequences,
)
from roost.migrations._rehearsing_step import REHEARSAL, Attempts, StepRehearser, Verdict
from roost.migrations._run_entry import KEY
from roost.migrations._snapshots import differences
from roost.postgres import CHANNEL, MigrationSession, lock_or_satisfied
from roost.schema import objects_in

if TYPE_CHECKING:
    from roost.migrations._config import MigrationConfig
    from roost.migrations._protocol import IMigrationService
    from roost.migrations._records import BlockedChange
    from roost.migrations._rehearsal import Measure, RehearsalOutcome
    from roost.migrations._rehearsing_step import Rehearsable
    from roost.migrations._schema_units import PlannedUnit
    from roost.postgres import Database, LockHolder
    from roost.runtime import Runtime

APPLICATION_NAME = "roost: rehearsing"
"""What others see a rehearsal doing between its steps; within one they see plugin and step."""

KEEPS_NO_LEDGER = "the service keeps no ledger: only itself knows what it would do"
AFTER_A_FAILURE = "a transaction before it failed, and it is part of the same change"
BEHIND_OUTSIDE = "a part of the same change before it runs outside a transaction, and it may need that"


class Rehearsal:
    """One rehearsal of a runtime's pending steps.

    Args:
        runtime: Whose steps they are.
        config: How they would run.
        database: The runtime's database; None where no service needs one.
        emit: Where events go.
        name_of_plugin: Returns the name of a service's plugin.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        config: MigrationConfig,
        database: Database | None,
        emit: Callable[[object], None],
        name_of_plugin: Callable[[IMigrationService], str],
    ) -> None:
        self._runtime = runtime
        self._config = config
        self._database = database
        self._emit = emit
        self._name_of_plugin = name_of_plugin
        self._steps: list[RehearsedStep] = []
        self._taken: list[tuple[float, tuple[TakenLock, ...]]] = []
        self._blocked: list[BlockedChange] = []
        self._broken_off: str | None = None
        self._waited = 0.0

    async def rehearse(
        self, services: Sequence[IMigrationService], *, plugin: str | None = None, allow_data_loss: Collection[str] = ()
    ) -> RehearsalReport:
        """Rehearse what is pending, up to the first step that fails.

        Args:
            services: The services in the order in which they run.
            plugin: The plugin that they are of; None for all.
            allow_data_loss: What declared schemas may lose, by name, beside what the configuration allows.

        Raises:
            MigrationLockTimeout: A run kept its turn for too long; nothing was rehearsed.
            PoolerInTheWay: A pooler in between shares server processes.
            ReadOnlyServer: A standby answers.
            RehearsalLost: The connection broke; nothing is left of the rehearsal.
            MigrationError: As a run raises it before its first step.
            DatabaseError: The database can't be used.
        """
        started = time.monotonic()
        self._emit(RehearsalStarted(services=tuple(service.service_name for service in services)))
        failure: BaseException | None = None
        try:
            if self._database is None:
                self._note_services([PlannedService(service, None) for service in services])
            else:
                await self._on(self._database, services, plugin=plugin, allow_data_loss=allow_data_loss)
        except BaseException as error:
            failure = error
            raise
        finally:
            ended = time.monotonic()
            steps = sum(step.outcome == "rehearsed" for step in self._steps)
            self._emit(RehearsalFinished(steps=steps, duration=ended - started, error=failure))
        return RehearsalReport(
            steps=tuple(self._steps),
            held=held_locks(self._taken, ended=ended),
            sequences=moved_sequences(self._taken),
            broken_off=self._broken_off,
            waited=self._waited,
            duration=ended - started,
            blocked=tuple(self._blocked),
        )

    async def _on(
        self, database: Database, services: Sequence[IMigrationService], *, plugin: str | None, allow_data_loss: Collection[str]
    ) -> None:
        async with self._connected(database) as session:
            try:
                await self._take_lock(session)
                await check_readable(session)
                with reading_by(session, runtime=self._runtime):
                    planned = await plan_services(
                        services, session, config=self._config, refuse_ahead=True, database=database, allow_data_loss=allow_data_loss
                    )
                    planned = [self._only(plugin, one) for one in planned]
                    if any(one.schemas or (one.plan is not None and (one.plan.steps or one.plan.repeatable)) for one in planned):
                        await self._in_transaction(session, planned, database=database)
                    else:
                        self._note_services(planned)
                        await release(session, key=KEY)
            except Exception as error:
                if session.is_open:
                    raise
                raise RehearsalLost(location=session.url.location, reason=str(error)) from error

    @asynccontextmanager
    async def _connected(self, database: Database) -> AsyncIterator[MigrationSession]:
        attempts, delay = self._config.max_retries, self._config.retry_delay
        session = await MigrationSession.open(database.migration_url, application_name=APPLICATION_NAME, attempts=attempts, delay=delay)
        try:
            if session.is_pooled(await session.backend_pid()):
                session = await session.behind_pooler(application_name=APPLICATION_NAME, attempts=attempts, delay=delay)
            if session.is_standby:
                raise ReadOnlyServer(location=session.url.location)
            if session.shares_server_process:
                reason = "it shares server processes, where nothing would hold back what a step does once it has ended its transaction"
                raise PoolerInTheWay(location=session.url.location, reason=reason)
            yield session
        finally:
            session.terminate()

    async def _take_lock(self, session: MigrationSession) -> None:
        started = time.monotonic()
        told = False

        def waiting(holder: LockHolder | None) -> None:
            nonlocal told
            told = True
            self._emit(LockWaitStarted(holder=holder.application_name if holder else None))

        async def satisfied() -> bool:
            return False

        failure: BaseException | None = None
        try:
            await lock_or_satisfied(
                session,
                KEY,
                timeout=self._config.run_lock_timeout,
                satisfied=satisfied,
                waiting=waiting,
                jitter=random.Random(),  # noqa: S311 -- it spreads questions
            )
        except BaseException as error:
            failure = error
            if isinstance(error, MigrationLockTimeout):
                await tell_run(session, error)
            raise
        finally:
            if told:
                self._waited = time.monotonic() - started
                self._emit(LockWaitFinished(acquired=failure is None, duration=self._waited, error=failure))

    async def _in_transaction(self, session: MigrationSession, planned: Sequence[PlannedService], *, database: Database) -> None:
        # By itself: a BEGIN in the same message would make it part of the transaction that is rolled back.
        await session.execute(texts.READ_ONLY_OUTSIDE)
        await session.execute(texts.begin(session.begin, key=KEY))
        first = texts.read_measure(await session.rows(texts.MEASURE))
        for one in planned:
            if one.plan is None:
                await self._schemas(session, one, database=database, first=first)
                self._note_services([one])
                continue
            schema: str | None = getattr(one.service, "schema", None)
            turn = _turn(session, service=one.service.service_name, plugin=one.plan.plugin, schema=schema)
            rehearser = StepRehearser(session, turn=turn, config=self._config, database=database, emit=self._emit, first=first)
            opening = "" if schema is None else groups.make_schema(schema)
            if one.undone is not None and self._broken_off is None:
                self._broken_off = (
                    f"a way back of step {one.undone.row.step} of plugin {one.plan.plugin} was begun, and a run ends it first"
                )
            steps: list[Rehearsable] = [*one.plan.steps, *one.plan.repeatable]
            for place, step in enumerate(steps, start=1):
                if self._broken_off is None:
                    await self._step(rehearser, step, turn=turn, opening=opening, place=(place, len(steps)))
                else:
                    self._note(turn, step, Verdict(reason=self._broken_off), Attempts())
        # The lock ends with the transaction.
        await session.rollback(f"{texts.WRITABLE_AGAIN}; NOTIFY {CHANNEL}")

    def _only(self, plugin: str | None, planned: PlannedService) -> PlannedService:
        """Leave out what a service that answers for several plugins would do for others."""
        if plugin in (None, self._name_of_plugin(planned.service)):
            return planned
        schemas = tuple(one for one in planned.schemas if one.plugin == plugin)
        return replace(planned, schemas=schemas, blocked=tuple(one for one in planned.blocked if one.plugin == plugin))

    async def _schemas(self, session: MigrationSession, planned: PlannedService, *, database: Database, first: Measure) -> None:
        """Rehearse the changes of declared schemas. As in a run, one that fails keeps back no other plugin's, and all steps."""
        failed: set[str] = set()
        left_out: set[str] = set()
        for place, unit in enumerate(planned.schemas, start=1):
            turn = _turn(session, service=planned.service.service_name, plugin=unit.plugin, schema=unit.schema)
            if unit.plugin in failed:
                self._note(turn, unit.planned, Verdict(reason=AFTER_A_FAILURE), Attempts())
                continue
            if unit.plugin in left_out and unit.planned.transactional:
                self._note(turn, unit.planned, Verdict(reason=BEHIND_OUTSIDE), Attempts())
                continue
            if not unit.planned.transactional:
                left_out.add(unit.plugin)
            rehearser = StepRehearser(session, turn=turn, config=self._config, database=database, emit=self._emit, first=first)
            check = partial(_check_schema, session, unit)
            await self._step(rehearser, unit.planned, turn=turn, opening="", place=(place, len(planned.schemas)), check=check)
            if self._broken_off is not None:
                failed.add(unit.plugin)
                self._broken_off = None
        if failed:
            self._broken_off = f"the declared schema of plugin {', '.join(sorted(failed))} failed, and a run takes no steps then"

    async def _step(
        self,
        rehearser: StepRehearser,
        planned: Rehearsable,
        *,
        turn: groups.Turn,
        opening: str,
        place: tuple[int, int],
        check: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        index, total = place
        step = planned.step
        self._emit(
            StepRehearsalStarted(
                plugin=turn.plugin, step=step.id, description=step.description, version=planned.version, index=index, total=total
            )
        )
        noted: RehearsedStep | None = None
        failure: BaseException | None = None
        try:
            is_first = not any(earlier.outcome == "rehearsed" for earlier in self._steps)
            verdict, attempts = await rehearser.rehearse(planned, opening=opening, is_first=is_first, check=check)
            noted, failure, self._broken_off = self._note(turn, planned, verdict, attempts), verdict.error, verdict.breaks_off
        except BaseException as error:
            failure = error
            raise
        finally:
            self._emit(
                StepRehearsalFinished(
                    plugin=turn.plugin,
                    step=step.id,
                    version=planned.version,
                    index=index,
                    total=total,
                    outcome="failed" if noted is None else noted.outcome,
                    reason=None if noted is None else noted.reason,
                    duration=0.0 if noted is None else noted.duration,
                    error=failure,
                )
            )

    def _note(self, turn: groups.Turn, planned: Rehearsable, verdict: Verdict, attempts: Attempts) -> RehearsedStep:
        outcome: RehearsalOutcome = "rehearsed" if verdict.reason is None else "not rehearsed"
        reason = verdict.reason
        if verdict.error is not None:
            outcome = "failed"
            left_out = [earlier for earlier in self._steps if earlier.outcome == "not rehearsed"]
            if left_out:
                reason = f"it may need what was not rehearsed: {', '.join(one.step or one.service for one in left_out)}"
        noted = RehearsedStep(
            service=turn.service,
            plugin=turn.plugin,
            step=planned.step.id,
            description=planned.step.description,
            version=planned.version,
            sql=planned.step.up if isinstance(planned.step.up, str) else None,
            outcome=outcome,
            reason=reason,
            error=verdict.error,
            attempts=attempts.count,
            duration=attempts.duration,
            locks=attempts.measures.locks,
            rewritten=attempts.measures.rewritten,
            rows=attempts.measures.rows,
        )
        self._steps.append(noted)
        self._taken.append((attempts.began, noted.locks))
        return noted

    def _note_services(self, planned: Sequence[PlannedService]) -> None:
        for one in planned:
            self._blocked += one.blocked
            if one.blocked and self._broken_off is None:
                self._broken_off = "a declared schema would lose data, which a run refuses"
            if one.plan is None and not keeps_schemas(one.service):
                self._steps.append(
                    RehearsedStep(
                        service=one.service.service_name,
                        plugin=self._name_of_plugin(one.service),
                        step=None,
                        description="",
                        version=None,
                        sql=None,
                        outcome="not rehearsed",
                        reason=KEEPS_NO_LEDGER,
                    )
                )


async def _check_schema(session: MigrationSession, unit: PlannedUnit) -> None:
    """Hold what is there against the declaration, as a run does at the end of the transaction.

    Raises:
        SchemaNotReached: Something differs.
    """
    if unit.objects is None:
        return
    found = set(await objects_in(session, [unit.schema]))
    missing = [one for one in unit.objects if one not in found]
    if missing:
        raise SchemaNotReached(plugin=unit.plugin, differences=differences(missing))


def _turn(session: MigrationSession, *, service: str, plugin: str, schema: str | None) -> groups.Turn:
    return groups.Turn(
        run=REHEARSAL,
        key=KEY,
        service=service,
        plugin=plugin,
        schema=schema or groups.DEFAULT_SCHEMA,
        track_history=False,
        step_by_step=False,
        begin=session.begin,
        resets=session.resets,
    )
