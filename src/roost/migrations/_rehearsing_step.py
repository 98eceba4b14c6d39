"""Rehearses one step behind a savepoint, measures it, and says how it went."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from roost.errors import RehearsedStepFailed
from roost.migrations import _groups as groups
from roost.migrations import _rehearsal_groups as texts
from roost.migrations._context import MigrationContext
from roost.migrations._events import StepBlocked, StepRetried
from roost.migrations._explain import explain, location_of
from roost.migrations._in_the_way import InTheWay
from roost.migrations._ledger import NO_RIGHT
from roost.migrations._patience import Patience
from roost.migrations._rehearsal import NOTHING_MEASURED, Measure, StepMeasures, compare, why_not
from roost.migrations._repeatable import PlannedRepeatable
from roost.migrations._step_call import call_step
from roost.postgres import bind_step, is_lock_timeout, sqlstate_of, watching_blockers

if TYPE_CHECKING:
    from roost.errors import Blocker
    from roost.migrations._config import MigrationConfig
    from roost.migrations._groups import Turn
    from roost.migrations._plan import PlannedStep
    from roost.migrations._step import StepBody
    from roost.postgres import Database, MigrationSession

Rehearsable: TypeAlias = "PlannedStep | PlannedRepeatable"

REHEARSAL = 0
"""The number of the run that a rehearsed function sees; no run has it."""

OUTSIDE = "it runs outside a transaction, where nothing could be taken back"
ENDS_TRANSACTION = "it ends its own transaction, which a run refuses; take COMMIT and ROLLBACK out of it, and look for what it left"
NO_TEMPORARY_TABLES = (
    "the role may create no temporary tables, by which a rehearsal keeps functions from committing: GRANT TEMPORARY ON DATABASE … TO …"
)


class TransactionEnded(Exception):  # noqa: N818 -- it is said of the step, and raised to nobody outside
    """A step has ended the rehearsal's transaction, and with it all that was rehearsed."""


class CommitNotPrevented(Exception):  # noqa: N818 -- as above
    """The role may not make what keeps a function from committing."""


@dataclass(slots=True, kw_only=True)
class Attempts:
    """What the attempts at one step came to.

    Attributes:
        measures: What the last one did; nothing where it failed.
        count: Their number.
        began: When the last one began, by the monotonic clock.
        duration: Seconds that it took.
        before: What the server said before it; None where it did not come to that.
        in_the_way: Who keeps the step from a lock.
    """

    measures: StepMeasures = NOTHING_MEASURED
    count: int = 0
    began: float = 0.0
    duration: float = 0.0
    before: Measure | None = None
    in_the_way: InTheWay = field(default_factory=InTheWay)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a step went, if not well.

    Attributes:
        reason: Why it was not rehearsed; None where it was, or failed.
        error: What a run would raise; None unless it failed.
        breaks_off: Why nothing can follow it; None where something can.
    """

    reason: str | None = None
    error: RehearsedStepFailed | None = None
    breaks_off: str | None = None


WENT_WELL = Verdict()


class StepRehearser:
    """Rehearses the steps of one service in the transaction that is open on the session.

    Args:
        session: The rehearsal's session.
        turn: Whose steps these are.
        config: Attempts and time limits.
        database: The service that is bound to the session's connection while a function runs.
        emit: Where events go.
        first: What the server said before the first step of the rehearsal.
    """

    def __init__(
        self,
        session: MigrationSession,
        *,
        turn: Turn,
        config: MigrationConfig,
        database: Database,
        emit: Callable[[object], None],
        first: Measure,
    ) -> None:
        self._session = session
        self._turn = turn
        self._config = config
        self._database = database
        self._emit = emit
        self._first = first

    async def rehearse(
        self, planned: Rehearsable, *, opening: str, is_first: bool, check: Callable[[], Awaitable[None]] | None = None
    ) -> tuple[Verdict, Attempts]:
        """Rehearse a step, as often as its errors and the configuration allow; what failed is taken back.

        Args:
            planned: The step.
            opening: Statements that come before it, such as the one that makes the plugin's schema; may be empty.
            is_first: Whether no step was rehearsed before it.
            check: Awaited once it is done and measured; where that raises, the step has failed.

        Raises:
            Exception: The connection broke.
        """
        step, attempts = planned.step, Attempts()
        if not (planned.transactional if isinstance(planned, PlannedRepeatable) else planned.step.transactional):
            return Verdict(reason=OUTSIDE), attempts

        def block(blockers: tuple[Blocker, ...]) -> None:
            attempts.in_the_way.blockers = blockers
            self._emit(StepBlocked(plugin=self._turn.plugin, step=step.id, blockers=blockers))

        patience = Patience(
            self._config,
            is_open=lambda: self._session.is_open and self._session.is_in_transaction,
            told=lambda attempt, error: self._emit(StepRetried(plugin=self._turn.plugin, step=step.id, attempt=attempt, error=error)),
            while_blocked=lambda: watching_blockers(self._session.url, groups.application_name(self._turn.plugin, step.id), block),
        )
        try:
            await patience.repeat(lambda: self._once(planned, attempts, opening=opening, check=check))
        except Exception as error:
            if not self._session.is_open:
                raise
            return self._verdict(error, planned, attempts, is_first=is_first), attempts
        return WENT_WELL, attempts

    async def _once(self, planned: Rehearsable, attempts: Attempts, *, opening: str, check: Callable[[], Awaitable[None]] | None) -> None:
        attempts.count += 1
        attempts.measures = NOTHING_MEASURED
        attempts.began = time.monotonic()
        await self._session.execute(texts.OPEN_STEP)
        try:
            if opening:
                await self._session.execute(opening)
            if not isinstance(planned.step.up, str):
                await self._prevent_commit()
            attempts.before = await self._measure()
            attempts.began = time.monotonic()
            try:
                await self._body(planned, attempts)
                await self._session.execute(texts.close_step(self._session.resets))
            finally:
                attempts.duration = time.monotonic() - attempts.began
            after = await self._measure()
            self._check_transaction(after)
            attempts.measures = compare(attempts.before, after, first=self._first)
            if check is not None:
                await check()
            await self._session.execute(texts.leave_step())
        except Exception as error:
            await self._take_back(error)
            raise

    async def _body(self, planned: Rehearsable, attempts: Attempts) -> None:
        step, body = planned.step, planned.step.up
        limits = groups.limits_under(self._config, lock_timeout=step.lock_timeout, statement_timeout=step.statement_timeout)
        settings = groups.settings(self._turn, limits, step=step.id, local=True)
        if attempts.in_the_way.gives_way():
            settings = f"{settings}; {groups.wait_out(limits, budget=self._config.lock_wait_budget)}"
        if isinstance(body, str):
            await self._session.execute(f"{settings}; {groups.execute(body)}")
            return
        await self._session.execute(settings)
        await self._call(body, step=step.id)
        if not self._session.is_in_transaction:
            raise TransactionEnded

    async def _call(self, body: StepBody, *, step: str) -> None:
        context = MigrationContext(self._session.connection, run_number=REHEARSAL, plugin=self._turn.plugin, step=step)
        with bind_step(self._session.connection, database=self._database, step=f"{self._turn.plugin}: {step}"):
            await call_step(body, context)

    async def _prevent_commit(self) -> None:
        try:
            await self._session.execute(texts.NO_COMMIT)
        except Exception as error:
            if sqlstate_of(error) == NO_RIGHT:
                raise CommitNotPrevented from error
            raise

    async def _measure(self) -> Measure:
        return texts.read_measure(await self._session.rows(texts.MEASURE))

    def _check_transaction(self, measure: Measure) -> None:
        if measure.transaction != self._first.transaction:
            raise TransactionEnded

    async def _take_back(self, error: Exception) -> None:
        if isinstance(error, TransactionEnded) or not self._session.is_open or not self._session.is_in_transaction:
            return
        try:
            await self._session.execute(texts.take_back(self._session.resets))
        except Exception as refused:
            # A function began another transaction, in which there is no such savepoint.
            if sqlstate_of(refused) == texts.NO_SUCH_SAVEPOINT:
                raise TransactionEnded from error
            raise

    def _verdict(self, error: Exception, planned: Rehearsable, attempts: Attempts, *, is_first: bool) -> Verdict:
        if isinstance(error, TransactionEnded) or not self._session.is_in_transaction:
            return Verdict(
                reason=ENDS_TRANSACTION, breaks_off=f"step {planned.step.id} of plugin {self._turn.plugin} ended the transaction"
            )
        if isinstance(error, CommitNotPrevented):
            return Verdict(reason=NO_TEMPORARY_TABLES)
        state = sqlstate_of(error)
        before = attempts.before or self._first
        reason = why_not(state, before=before, first=self._first, is_first=is_first)
        if reason is not None:
            return Verdict(reason=reason)
        failed = RehearsedStepFailed(
            service=self._turn.service,
            plugin=self._turn.plugin,
            step=planned.step.id,
            direction="up",
            reason=self._session.url.redact(explain(error)),
            location=location_of(error, planned.step.up),
            sqlstate=state,
            attempts=attempts.count,
            blockers=attempts.in_the_way.blockers if is_lock_timeout(error) else (),
        )
        failed.__cause__ = error
        return Verdict(error=failed, breaks_off="a step before failed")
