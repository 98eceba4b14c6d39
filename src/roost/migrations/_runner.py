"""Runs planned steps, one transaction each, on the run's one session. The thin shell around plans and groups."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from roost.errors import MigrationLockLost, StepEscaped, StepFailed
from roost.migrations import _groups as groups
from roost.migrations._context import MigrationContext
from roost.migrations._events import StepFinished, StepRetried, StepStarted
from roost.migrations._explain import explain, location_of
from roost.migrations._fingerprint import fingerprint_of
from roost.migrations._patience import with_patience
from roost.migrations._records import StepReport
from roost.migrations._step import takes_context
from roost.postgres import bind_step, is_connection_lost, sqlstate_of

if TYPE_CHECKING:
    from roost.migrations._config import MigrationConfig
    from roost.migrations._groups import Turn
    from roost.migrations._plan import PlannedStep
    from roost.migrations._records import Direction
    from roost.migrations._rollback import UndoneStep
    from roost.migrations._step import StepBody
    from roost.postgres import Database, MigrationSession

LOCK_LOST = "RST01"
ESCAPED = "RST02"

SURELY_WITHOUT_EFFECT = ("42", "0A", "25", "28", "3D", "3F")
"""SQLSTATE classes of errors that a statement raises before it does anything: syntax, names, rights, wrong place."""


class StepRunner:
    """Runs the steps of one service in its turn."""

    def __init__(
        self,
        session: MigrationSession,
        *,
        turn: Turn,
        config: MigrationConfig,
        database: Database,
        emit: Callable[[object], None],
    ) -> None:
        """Take the session that holds the lock.

        Args:
            session: The run's session.
            turn: Whose steps these are.
            config: Attempts and time limits.
            database: The service that is bound to the step's connection while a Python step runs.
            emit: Where events go.
        """
        self._session = session
        self._turn = turn
        self._config = config
        self._database = database
        self._emit = emit

    async def up(self, planned: PlannedStep, *, index: int, total: int) -> StepReport:
        """Run one step: its effect and its record live and die together.

        Args:
            planned: The step.
            index: Its place among the service's steps, from 1.
            total: Their number.

        Returns:
            What was done.

        Raises:
            StepFailed: The step raised; it is rolled back and its failure recorded.
            StepEscaped: Its function ended its own transaction.
            MigrationLockLost: The run's turn is over; the step was refused.
            Exception: The connection broke; what the step's outcome is, the ledger says under the lock.
        """
        step = planned.step
        limits = self._limits(step.lock_timeout, step.statement_timeout)
        # A function may have done more than the database knows of, so its record is on disk before anything follows it.
        flush = index == total or not isinstance(step.up, str)

        async def once(attempt: int) -> None:
            if not step.transactional:
                await self._outside(planned, limits, attempt=attempt)
                return
            await self._inside(
                step.up,
                step=step.id,
                opening=groups.open_up(self._turn, planned, limits, state="done" if isinstance(step.up, str) else "escaped"),
                closing=groups.close_up(self._turn, planned, attempts=attempt, flush=flush),
                on_escape=groups.escape(self._turn, planned),
            )

        return await self._attempt(
            once,
            body=step.up,
            step=step.id,
            description=step.description,
            version=planned.version,
            checksum=fingerprint_of(step),
            direction="up",
            index=index,
            total=total,
        )

    async def down(self, undone: UndoneStep, *, index: int, total: int) -> StepReport:
        """Undo one step; arguments, result and errors as of `up`."""
        row = undone.row
        limits = self._limits(None, None)

        async def once(attempt: int) -> None:
            await self._inside(
                undone.down,
                step=row.step,
                opening=groups.open_down(self._turn, undone, limits),
                closing=groups.close_down(self._turn, undone, attempts=attempt),
                on_escape=None,
            )

        return await self._attempt(
            once,
            body=undone.down,
            step=row.step,
            description=undone.description,
            version=row.version,
            checksum=row.fingerprint,
            direction="down",
            index=index,
            total=total,
        )

    async def reach(self, *, version: str, chain: str) -> None:
        """Move the plugin to a version that needs no step."""
        await self._session.execute(groups.reach(self._turn, version=version, chain=chain))

    async def create_schema(self) -> None:
        """Make the plugin's schema where it is missing."""
        await self._transaction(groups.create_schema(self._turn))

    def _limits(self, lock_timeout: float | None, statement_timeout: float | None) -> groups.Limits:
        config = self._config
        return groups.Limits(
            lock_timeout=config.lock_timeout if lock_timeout is None else lock_timeout,
            statement_timeout=(config.statement_timeout or 0.0) if statement_timeout is None else statement_timeout,
        )

    async def _inside(self, body: StepBody, *, step: str, opening: str, closing: str, on_escape: str | None) -> None:
        """Run a step's body in a transaction of its own; SQL with all around it is one message."""
        if isinstance(body, str):
            await self._transaction(f"{opening}; {groups.execute(body)}; {closing}")
            return
        await self._transaction(opening)
        context = MigrationContext(self._session.connection, run_number=self._turn.run, plugin=self._turn.plugin, step=step)
        try:
            with bind_step(self._session.connection, database=self._database, step=f"{self._turn.plugin}: {step}"):
                await _call(body, context)
        except Exception:
            await self._session.rollback()
            raise
        except BaseException:
            self._session.terminate()
            raise
        try:
            await self._transaction(closing)
        except Exception as error:
            if sqlstate_of(error) == ESCAPED:
                if on_escape is not None:
                    await self._transaction(on_escape)
                raise StepEscaped(plugin=self._turn.plugin, step=step) from error
            raise

    async def _outside(self, planned: PlannedStep, limits: groups.Limits, *, attempt: int) -> None:
        """Run a step outside a transaction, between a recorded intent and its end."""
        started = time.monotonic()
        opening = groups.open_up(self._turn, planned, limits, state="intent")
        # A lock time-out would break off CREATE INDEX CONCURRENTLY in its own waits and leave an invalid index.
        patient = groups.Limits(lock_timeout=0, statement_timeout=limits.statement_timeout)
        own_settings = groups.settings(self._turn, patient, step=planned.step.id, local=False)
        await self._transaction(f"{opening}; COMMIT; {own_settings}")
        try:
            await self._session.execute(str(planned.step.up))
        except Exception as error:
            if (sqlstate_of(error) or "").startswith(SURELY_WITHOUT_EFFECT):
                await self._transaction(groups.forget_intent(self._turn, planned))
            raise
        took = time.monotonic() - started
        await self._transaction(groups.finish_intent(self._turn, planned, attempts=attempt, took=took))

    async def _transaction(self, message: str) -> None:
        try:
            await self._session.execute(message)
        except Exception:
            if self._session.is_open:
                await self._session.rollback()
            raise

    async def _attempt(
        self,
        once: Callable[[int], Any],
        *,
        body: StepBody,
        step: str,
        description: str,
        version: str,
        checksum: str,
        direction: Direction,
        index: int,
        total: int,
    ) -> StepReport:
        """Try a step as often as its errors and the configuration allow, tell of it, and record a failure."""
        turn = self._turn
        self._emit(
            StepStarted(
                plugin=turn.plugin,
                step=step,
                description=description,
                version=version,
                direction=direction,
                index=index,
                total=total,
            )
        )
        started = time.monotonic()
        attempts = 0

        async def counted() -> None:
            nonlocal attempts
            attempts += 1
            await once(attempts)

        def finished(error: BaseException | None) -> None:
            self._emit(
                StepFinished(
                    plugin=turn.plugin,
                    step=step,
                    version=version,
                    direction=direction,
                    index=index,
                    total=total,
                    duration=time.monotonic() - started,
                    attempts=attempts,
                    error=error,
                )
            )

        try:
            await with_patience(
                counted,
                config=self._config,
                is_open=lambda: self._session.is_open,
                told=lambda attempt, error: self._emit(StepRetried(plugin=turn.plugin, step=step, attempt=attempt, error=error)),
            )
        except Exception as error:
            raised = await self._failure(
                error,
                body=body,
                step=step,
                version=version,
                checksum=checksum,
                direction=direction,
                attempts=attempts,
                took=time.monotonic() - started,
            )
            finished(raised)
            if raised is error:
                raise
            raise raised from error
        except BaseException as error:
            finished(error)
            raise
        finished(None)
        return StepReport(
            plugin=turn.plugin,
            step=step,
            description=description,
            version=version,
            direction=direction,
            sql=body if isinstance(body, str) else None,
            attempts=attempts,
            duration=time.monotonic() - started,
        )

    async def _failure(
        self,
        error: Exception,
        *,
        body: StepBody,
        step: str,
        version: str,
        checksum: str,
        direction: Direction,
        attempts: int,
        took: float,
    ) -> Exception:
        """Record a failed step in a transaction of its own, and return what is to be raised."""
        state = sqlstate_of(error)
        if state == LOCK_LOST:
            return MigrationLockLost(detail=str(error))
        if is_connection_lost(error) or not self._session.is_open or isinstance(error, StepEscaped):
            return error
        reason = self._session.url.redact(explain(error))
        failed = StepFailed(
            service=self._turn.service,
            plugin=self._turn.plugin,
            step=step,
            direction=direction,
            reason=reason,
            location=location_of(error, body),
            sqlstate=state,
            attempts=attempts,
        )
        try:
            await self._transaction(
                groups.fail(
                    self._turn,
                    step=step,
                    version=version,
                    direction=direction,
                    error=reason,
                    attempts=attempts,
                    took=took,
                    checksum=checksum,
                )
            )
        except Exception as unrecorded:  # noqa: BLE001 -- the step's own error is the one to raise
            failed.add_note(f"the failure could not be recorded: {unrecorded}")
        return failed


async def _call(function: Any, context: MigrationContext) -> None:  # noqa: ANN401 -- either form of a step's function
    result = function(context) if takes_context(function) else function()
    if not inspect.isawaitable(result):
        name = getattr(function, "__qualname__", repr(function))
        message = f"{name} is not async: a step's function is `async def`, so that it runs inside the step's transaction"
        raise TypeError(message)
    await result
