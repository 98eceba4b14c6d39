"""Runs a step outside a transaction, there or back: that it begins is written down, each of its statements is noted, and then its end.

Whatever ends it in between, the ledger says that it was begun and how far it came; the next run looks into the catalogue what
became of the statement that was in hand, and goes on from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from roost.errors import IndexConflict
from roost.migrations import _groups as groups
from roost.migrations import _outside_groups as outside
from roost.migrations._healing import Healer
from roost.migrations._outside_statements import outside_statements
from roost.migrations._reconcile import Seen
from roost.migrations._watching import StatementStopped
from roost.postgres import (
    AddsEnumValue,
    BuildsIndex,
    FitsTransaction,
    RebuildsIndexes,
    RunsAgain,
    Sets,
    Uncertain,
    is_retryable,
    sqlstate_of,
)

if TYPE_CHECKING:
    from roost.migrations._in_hand import StepInHand
    from roost.migrations._outside_errand import OutsideErrand
    from roost.postgres import MigrationSession

SURELY_WITHOUT_EFFECT = ("42", "0A", "25", "28", "3D", "3F")
"""SQLSTATE classes of errors that a statement raises before it does anything: syntax, names, rights, wrong place."""

REFUSALS = "RST"
"""How the SQLSTATEs of the ledger's own functions begin."""

MOST_ROUNDS = 3
"""So often a statement is carried out again that ended without its effect."""

NOTHING_SEEN = Seen(pid=0)


class OutsideStep:
    """One step outside a transaction, there or back, in as many attempts as it takes.

    Args:
        session: The run's session.
        step: The step.
        errand: What is sent for it beside its statements.
        budget: Seconds to wait for others.
    """

    def __init__(self, session: MigrationSession, step: StepInHand, *, errand: OutsideErrand, budget: float) -> None:
        self._session = session
        self._turn = step.turn
        self._telling = step.telling
        self._limits = step.limits
        self._errand = errand
        self._budget = budget
        # A lock time-out would break off CREATE INDEX CONCURRENTLY in its own waits and leave an invalid index.
        self._own_limits = groups.Limits(lock_timeout=0.0, statement_timeout=step.limits.statement_timeout)
        self._statements = outside_statements(errand.sql)
        self._is_written = errand.is_written
        self._has_changed = errand.has_changed
        self._ended = 0 if errand.has_changed else errand.ended
        # The statement that may have been begun and was not seen to end.
        self._in_hand: int | None = self._ended if errand.is_written else None
        self._is_finished = False
        self._healer = Healer(session, turn=step.turn, telling=step.telling, limits=step.limits, budget=budget)

    async def attempt(self) -> None:
        """Run what is left of the step.

        Raises:
            IndexConflict: The name of an index is taken by something else.
            StatementStopped: A statement can't be tried again in this run.
            Exception: As the server raises it.
        """
        seen = await self._begin()
        while self._ended < len(self._statements):
            seen = await self._one(self._ended, seen)
        if not self._is_finished:
            await self._finish()

    async def _begin(self) -> Seen:
        """Write the intent down, or take it up again, and look at what the first statement finds."""
        opening = self._errand.resume(ended=self._ended) if self._is_written else self._errand.claim()
        try:
            seen = await self._send_and_look(opening, index=self._ended)
        except Exception as error:
            if self._session.is_open and not self._is_written and not _is_refusal(error):
                await self._send(self._errand.forget())
            raise
        self._is_written = True
        self._telling.begin()
        return seen

    async def _one(self, index: int, seen: Seen) -> Seen:
        """Bring about one statement's effect, note that, and return what the next one finds."""
        statement, rounds = self._statements[index], 0
        while True:
            is_resumed = self._has_changed or self._in_hand == index
            try:
                await self._healer.carry_out(statement, seen, is_resumed=is_resumed, run=lambda found: self._run(index, found))
            except Exception as error:
                if self._session.is_open and not _is_refusal(error):
                    await self._after_failure(index, error, is_resumed=is_resumed)
                if isinstance(statement.effect, Uncertain) and self._session.is_open and is_retryable(error):
                    raise StatementStopped(str(error), told=error) from error
                raise
            try:
                return await self._note(index, table=seen.table)
            except Exception as error:
                rounds += 1
                if sqlstate_of(error) != outside.UNVERIFIED or rounds == MOST_ROUNDS:
                    raise
            seen = await self._send_and_look("", index=index)

    async def _run(self, index: int, seen: Seen) -> None:
        statement = self._statements[index]
        effect = statement.effect
        sent = effect.strict if isinstance(effect, BuildsIndex) else statement.text
        self._telling.part = sent, statement.start
        self._in_hand = index
        if isinstance(effect, (FitsTransaction, AddsEnumValue)):
            waits = [groups.wait_out(self._limits, budget=self._budget)] if self._telling.in_the_way.gives_way() else []
            sets = [*waits, *self._sets(index)]
            await self._send(
                outside.in_transaction(self._turn, self._limits, step=self._telling.step, sets=sets, sql=sent, ended=index + 1)
            )
            self._ended = index + 1
        elif isinstance(effect, Sets):
            await self._session.execute(sent)
        else:
            await self._healer.send(sent, seen)

    async def _note(self, index: int, *, table: int | None) -> Seen:
        """Note that a statement has ended, and look at what the next one finds. The end of the last one is noted with the step's."""
        verify = outside.verify(self._statements[index].effect, table=table)
        if index + 1 == len(self._statements):
            await self._finish(verify)
            self._ended = index + 1
            return NOTHING_SEEN
        noted = outside.note(self._turn, step=self._telling.step, ended=index + 1, verify=verify)
        seen = await self._send_and_look(noted, index=index + 1)
        self._ended = index + 1
        return seen

    async def _finish(self, verify: str = "") -> None:
        attempts, took = self._telling.attempts, self._telling.took
        await self._send(self._errand.finish(attempts=attempts, took=took, verify=verify))
        self._is_finished = True

    async def _after_failure(self, index: int, error: Exception, *, is_resumed: bool) -> None:
        """Take away what a failed statement has left; where nothing of the step is left, its intent goes too."""
        try:
            # What ended of a text that was edited since is still there.
            has_ended = self._ended > 0 or (self._has_changed and self._errand.ended > 0)
            if await self._is_without_trace(index, error, is_resumed=is_resumed) and not has_ended:
                await self._send(self._errand.forget())
                self._is_written, self._has_changed, self._in_hand = False, False, None
        except Exception as other:  # noqa: BLE001 -- the step's own error is the one to raise; what is left is the next run's to find
            error.add_note(f"what it has left could not be taken away: {other}")

    async def _is_without_trace(self, index: int, error: Exception, *, is_resumed: bool) -> bool:
        effect = self._statements[index].effect
        await self._session.rollback(f"{self._turn.resets}; {groups.clean_up(self._turn)}")
        if isinstance(error, IndexConflict):
            return True
        if isinstance(effect, (BuildsIndex, RebuildsIndexes)):
            # Who was in the way of the build would be in the way of the removal as well: it is left to the next run.
            if isinstance(error, StatementStopped):
                return False
            return await self._healer.remove_remains(self._statements[index], await self._send_and_look("", index=index))
        if isinstance(effect, (FitsTransaction, AddsEnumValue, Sets, RunsAgain)):
            return True
        # What it was refused for now says nothing of what an earlier attempt has done.
        return not is_resumed and (sqlstate_of(error) or "").startswith(SURELY_WITHOUT_EFFECT)

    def _sets(self, index: int) -> list[str]:
        """Return what the statements before this one have set: it lasts as long as the session, and is set again after each reset."""
        return [statement.text for statement in self._statements[:index] if isinstance(statement.effect, Sets)]

    async def _send_and_look(self, opening: str, *, index: int) -> Seen:
        effect = self._statements[index].effect if index < len(self._statements) else Uncertain()
        sets = self._sets(index)
        look = outside.look_at(effect)
        out = outside.set_out(self._turn, self._own_limits, step=self._telling.step, sets=sets, look=look)
        heard: list[str] = []
        with self._session.hearing(heard.append):
            await self._send(f"{opening}; {out}" if opening else out)
        return Seen.read(heard[-1])

    async def _send(self, message: str) -> None:
        try:
            await self._session.execute(message)
        except Exception:
            if self._session.is_open:
                await self._session.rollback(f"{self._turn.resets}; {groups.clean_up(self._turn)}")
            raise


def _is_refusal(error: Exception) -> bool:
    state = sqlstate_of(error) or ""
    return state.startswith(REFUSALS) and state != outside.UNVERIFIED
