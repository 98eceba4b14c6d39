"""Runs planned steps, one transaction each, on the run's one session. The thin shell around plans and groups."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from roost.errors import IndexConflict, MigrationLockLost, RoostError, StepEscaped, StepFailed
from roost.migrations import _groups as groups
from roost.migrations import _ledger as ledger
from roost.migrations._batches import in_batches
from roost.migrations._context import MigrationContext
from roost.migrations._explain import explain, location_of
from roost.migrations._in_hand import StepForth, StepInHand, steps_back, steps_forth
from roost.migrations._outside import OutsideStep
from roost.migrations._outside_errand import errand_of
from roost.migrations._patience import Patience
from roost.migrations._step_again import StepAgain, steps_again
from roost.migrations._step_call import call_step
from roost.migrations._telling import TellingsOfAMessage
from roost.migrations._turn_wait import TurnTaken
from roost.migrations._watching import StatementStopped
from roost.postgres import bind_step, is_lock_timeout, sqlstate_of, watching_blockers

if TYPE_CHECKING:
    from roost.migrations._config import MigrationConfig
    from roost.migrations._groups import Turn
    from roost.migrations._plan import PlannedStep
    from roost.migrations._records import StepReport
    from roost.migrations._repeatable import PlannedRepeatable
    from roost.migrations._rollback import UndoneStep
    from roost.migrations._step import StepBody
    from roost.migrations._telling import StepTelling
    from roost.migrations._turn_wait import TurnWait
    from roost.postgres import Database, MigrationSession

Step = TypeVar("Step", bound=StepInHand)


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """What ends the run behind its last steps, in their message.

    Attributes:
        text: What is sent.
        done: Told once it was carried out.
    """

    text: str
    done: Callable[[], None]


class _TransactionEnded(Exception):  # noqa: N818 -- it is told what happened, as in all names of errors here
    """A step's function ended the transaction that it ran in, and then failed; the cause says how."""


class StepRunner:
    """Runs the steps of one service in its turn."""

    def __init__(
        self,
        session: MigrationSession,
        *,
        turn: Turn,
        wait: TurnWait,
        config: MigrationConfig,
        database: Database,
        emit: Callable[[object], None],
    ) -> None:
        """Take the session of the run.

        Args:
            session: The run's session.
            turn: Whose steps these are.
            wait: Waits where another run is at work, behind a pooler.
            config: Attempts and time limits.
            database: The service that is bound to the step's connection while a Python step runs.
            emit: Where events go.
        """
        self._session = session
        self._turn = turn
        self._wait = wait
        self._config = config
        self._database = database
        self._emit = emit

    async def up(
        self,
        steps: Sequence[PlannedStep],
        repeatable: Sequence[PlannedRepeatable],
        *,
        planned_on: str | None,
        sent: Callable[[Sequence[StepTelling]], None],
        done: Callable[[PlannedStep | PlannedRepeatable, StepReport], None],
        closing: Closing | None = None,
    ) -> None:
        """Run steps in order: of each, its effect and its record live and die together.

        Args:
            steps: A plan's versioned steps.
            repeatable: Its repeatable steps, which come after them.
            planned_on: The head's hash that the plan was made on.
            sent: Told before a message which steps are in it: if the connection breaks, nobody knows how many of them are applied.
            done: Told of each step that is applied, as soon as that is known.
            closing: Ends the run, where nothing is left to do behind the steps; not carried out where a step fails, or the last is none of
                those that share a message.

        Raises:
            StepFailed: A step raised; it is rolled back and its failure recorded.
            StepEscaped: A step's function ended its own transaction.
            MigrationLockLost: The run's turn is over; the step was refused.
            TurnTaken: Another run is at work, or has moved the plugin on; plan again.
            Exception: The connection broke; what was applied, the ledger says under the lock.
        """
        total = len(steps) + len(repeatable)
        forth = steps_forth(steps, total=total, turn=self._turn, config=self._config, planned_on=planned_on, emit=self._emit)
        head = steps[-1].chain if steps else planned_on
        again = steps_again(repeatable, total=total, turn=self._turn, config=self._config, planned_on=head, emit=self._emit)
        in_hand: list[StepForth | StepAgain] = [*forth, *again]
        await self._take(in_hand, sent=sent, done=lambda step: done(step.planned, step.telling.report()), closing=closing)

    async def down(
        self,
        steps: Sequence[UndoneStep],
        *,
        after: int,
        planned_on: str | None,
        sent: Callable[[Sequence[StepTelling]], None],
        done: Callable[[UndoneStep, StepReport], None],
    ) -> None:
        """Undo steps in order; errors as of `up`.

        Args:
            steps: A rollback plan's steps.
            after: How many of them are undone already.
            planned_on: The head's hash that the ledger must have now.
            sent: As of `up`.
            done: Told of each step that is undone, as soon as that is known.
        """
        in_hand = steps_back(steps, after=after, turn=self._turn, config=self._config, planned_on=planned_on, emit=self._emit)
        await self._take(in_hand, sent=sent, done=lambda step: done(step.undone, step.telling.report()))

    async def _take(
        self,
        steps: Sequence[Step],
        *,
        sent: Callable[[Sequence[StepTelling]], None],
        done: Callable[[Step], None],
        closing: Closing | None = None,
    ) -> None:
        """Take steps in order, there or back, as many as can be in one message."""
        for batch in in_batches(steps):
            rest = steps[batch]
            while rest:
                sent([step.telling for step in rest])
                last = closing if rest[-1] is steps[-1] and rest[-1].is_shared else None
                taken, failure = await self._together(rest, closing=last) if len(rest) > 1 or last is not None else (0, None)
                for step in rest[:taken]:
                    done(step)
                # The one that stopped the message is tried again by itself; the others follow together.
                for step in rest[taken : taken + 1]:
                    await self._one(step, failure=failure)
                    done(step)
                rest = rest[taken + 1 :]

    async def reach(self, *, version: str, chain: str, planned_on: str | None) -> None:
        """Move the plugin to a version that needs no step; errors as of `up`."""
        await self._fenced(groups.reach(self._turn, version=version, chain=chain, planned_on=planned_on))

    async def create_schema(self) -> None:
        """Make the plugin's schema where it is missing; errors as of `up`."""
        await self._fenced(groups.create_schema(self._turn))

    async def _fenced(self, message: str) -> None:
        try:
            await self._wait.for_turn(self._session, message)
        except Exception as error:
            refusal = _refusal_of(error)
            if refusal is None:
                raise
            raise refusal from error

    async def _together(self, steps: Sequence[StepInHand], *, closing: Closing | None) -> tuple[int, Exception | None]:
        """Send the groups of SQL steps in one message, and what ends the run behind them.

        Returns:
            How many of them are done, and the error of the one that is not.
        """
        told = TellingsOfAMessage([step.telling for step in steps])
        message = "; ".join([*(step.group for step in steps), *([] if closing is None else [closing.text])])
        taken, failure = len(steps), None
        try:
            with self._session.hearing(told.hear):
                await self._session.execute(message)
            if closing is not None:
                closing.done()
        except Exception as error:
            if not self._session.is_open:
                told.break_off(error)
                raise
            await self._session.rollback(groups.clean_up(self._turn))
            state = await ledger.plugin_state(self._session, self._turn.plugin)
            # What never began here and is done, another run did, behind a pooler.
            taken, failure = sum(step.is_done(state) for step in steps[: told.begun]), error
        told.finish_done(taken)
        return taken, failure

    async def _one(self, step: StepInHand, *, failure: Exception | None) -> None:
        """Take one step, as often as its errors and the configuration allow; with `failure` it was tried once already."""
        step.telling.attempts = 0 if failure is None else 1
        way: Callable[[], Awaitable[None]] = partial(self._inside, step)
        if not step.telling.transactional:
            way = OutsideStep(self._session, step, errand=errand_of(step), budget=self._config.lock_wait_budget).attempt
        await self._attempt(way, step, failure=failure)

    async def _inside(self, step: StepInHand) -> None:
        """Run a step's body in a transaction of its own; SQL with all around it is one message."""
        body, telling = step.body, step.telling
        opening, closing = step.opening, step.closing(attempts=telling.attempts)
        if telling.in_the_way.gives_way():
            opening = f"{opening}; {groups.wait_out(step.limits, budget=self._config.lock_wait_budget)}"
        if isinstance(body, str):
            with self._session.hearing(lambda _: telling.begin()):
                await self._transaction(f"{opening}; {groups.execute(body)}; {closing}")
            return
        await self._transaction(opening)
        telling.begin()
        try:
            await self._call(body, step=telling.step)
            await self._transaction(closing)
        except _TransactionEnded as ended:
            raise await self._escaped(step) from ended.__cause__
        except Exception as error:
            if sqlstate_of(error) == ledger.ESCAPED:
                raise await self._escaped(step) from error
            raise

    async def _escaped(self, step: StepInHand) -> StepEscaped:
        """Write down that nobody knows what is kept of a step, and return what is to be raised."""
        if step.escape is not None:
            await self._wait.for_turn(self._session, step.escape)
        return StepEscaped(plugin=self._turn.plugin, step=step.telling.step)

    async def _call(self, body: StepBody, *, step: str) -> None:
        """Await a step's function inside its open transaction, which is rolled back if it fails.

        Raises:
            _TransactionEnded: It failed, and had ended that transaction before.
            Exception: As the function raises it.
        """
        context = MigrationContext(self._session.connection, run_number=self._turn.run, plugin=self._turn.plugin, step=step)
        try:
            with bind_step(self._session.connection, database=self._database, step=f"{self._turn.plugin}: {step}"):
                await call_step(body, context)
        except Exception as error:
            has_ended = self._session.is_open and not self._session.is_in_transaction
            await self._session.rollback(groups.clean_up(self._turn))
            if has_ended:
                raise _TransactionEnded from error
            raise
        except BaseException:
            self._session.terminate()
            raise

    async def _transaction(self, message: str) -> None:
        try:
            await self._session.execute(message)
        except Exception:
            if self._session.is_open:
                await self._session.rollback(groups.clean_up(self._turn))
            raise

    async def _attempt(self, once: Callable[[], Awaitable[None]], step: StepInHand, *, failure: Exception | None) -> None:
        """Try a step as often as its errors and the configuration allow, tell of it, and record a failure."""
        telling = step.telling
        watched = groups.application_name(self._turn.plugin, telling.step)
        patience = Patience(
            self._config,
            is_open=lambda: self._session.is_open,
            told=telling.retry,
            while_blocked=lambda: watching_blockers(self._session.url, watched, telling.block),
        )

        async def counted() -> None:
            telling.attempts += 1
            await once()

        try:
            await patience.repeat(counted, failure=failure)
        except Exception as error:
            raised = await self._failure(error, telling, checksum=step.checksum)
            if telling.has_begun or isinstance(raised, (StepFailed, IndexConflict)):
                telling.finish(raised)
            if raised is error:
                raise
            raise raised from error
        except BaseException as error:
            if telling.has_begun:
                telling.finish(error)
            raise
        telling.finish()

    async def _failure(self, error: Exception, telling: StepTelling, *, checksum: str) -> Exception:
        """Record a failed step in a transaction of its own, and return what is to be raised."""
        refusal = _refusal_of(error)
        if refusal is not None:
            return refusal
        if not self._session.is_open or isinstance(error, StepEscaped):
            return error
        is_blocked = is_lock_timeout(error)
        if isinstance(error, StatementStopped):
            is_blocked, error = error.is_blocked, error.told
        reason = self._session.url.redact(explain(error, transactional=telling.transactional))
        failed: RoostError = StepFailed(
            service=self._turn.service,
            plugin=self._turn.plugin,
            step=telling.step,
            direction=telling.direction,
            reason=reason,
            location=location_of(error, telling.body, part=telling.part),
            sqlstate=sqlstate_of(error),
            attempts=telling.attempts,
            blockers=telling.in_the_way.blockers if is_blocked else (),
            transactional=telling.transactional,
        )
        if isinstance(error, IndexConflict):
            failed = error
        try:
            await self._wait.for_turn(
                self._session,
                groups.fail(
                    self._turn,
                    step=telling.step,
                    version=telling.version,
                    direction=telling.direction,
                    error=reason,
                    attempts=telling.attempts,
                    took=telling.took,
                    checksum=checksum,
                ),
            )
        except Exception as unrecorded:  # noqa: BLE001 -- the step's own error is the one to raise
            failed.add_note(f"the failure could not be recorded: {unrecorded}")
        return failed


def _refusal_of(error: Exception) -> Exception | None:
    """Return what it means that the ledger's own functions refused; None for all other errors."""
    match sqlstate_of(error):
        case ledger.BUSY:
            return TurnTaken(is_busy=True)
        case ledger.MOVED_ON:
            return TurnTaken(is_busy=False)
        case ledger.LOCK_LOST:
            return MigrationLockLost(detail=str(error))
        case _:
            return None
