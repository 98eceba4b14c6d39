"""Brings about the effect of one statement outside a transaction, whatever an earlier attempt has left of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio

from roost.errors import IndexConflict
from roost.migrations import _outside_groups as outside
from roost.migrations._reconcile import Seen, conflict_of, decide
from roost.migrations._watching import send_watched, waited_too_long
from roost.postgres import BuildsIndex, DetachesPartition, blockers_by_pid, is_retryable, sqlstate_of

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from roost.migrations._groups import Limits, Turn
    from roost.migrations._reconcile import Action
    from roost.migrations._telling import StepTelling
    from roost.postgres import MigrationSession, Statement

SECONDS_BETWEEN_LOOKS = 0.1
NAME_TAKEN = "42P07"
MOST_RACES = 5
"""So often a name may be taken between a look and the statement."""


class Healer:
    """Carries statements of one step out, each as far as it is not done yet.

    Args:
        session: The run's session, which stands under the step's search path.
        turn: Whose step it is.
        telling: What is told of the step.
        limits: The limits of a transaction of the step.
        budget: Seconds to wait for others.
    """

    def __init__(self, session: MigrationSession, *, turn: Turn, telling: StepTelling, limits: Limits, budget: float) -> None:
        self._session = session
        self._turn = turn
        self._telling = telling
        self._limits = limits
        self._budget = budget

    async def carry_out(self, statement: Statement, seen: Seen, *, is_resumed: bool, run: Callable[[Seen], Awaitable[None]]) -> None:
        """Bring about a statement's effect.

        Args:
            statement: The statement.
            seen: What the catalogue shows before.
            is_resumed: Whether it may have been begun before.
            run: Runs it, where there is something to run.

        Raises:
            IndexConflict: The name of its index is taken by something else.
            StatementStopped: Others were in the way for too long.
            Exception: As the server raises it.
        """
        effect, was_idle, races, began = statement.effect, False, 0, time.monotonic()
        while True:
            action = decide(effect, seen, is_resumed=is_resumed, was_idle=was_idle)
            was_idle = action == "look again"
            if action == "done":
                return None
            if action == "run":
                try:
                    return await run(seen)
                except Exception as error:
                    if not isinstance(effect, BuildsIndex) or sqlstate_of(error) != NAME_TAKEN or races == MOST_RACES:
                        raise
                    races += 1
            elif action == "finalize" and isinstance(effect, DetachesPartition):
                return await self.send(outside.finalize(effect), seen)
            elif isinstance(effect, BuildsIndex) and action in ("compare", "conflict"):
                return await self._hold_against(effect, seen, action)
            await self._make_way(seen, action, began=began)
            seen = await self.look(statement)

    async def remove_remains(self, statement: Statement, seen: Seen) -> bool:
        """Remove what a failed build has left, and nothing that others build.

        Args:
            statement: The statement that failed.
            seen: What the catalogue shows now.

        Returns:
            Whether nothing of it is left.

        Raises:
            StatementStopped: Others were in the way for too long.
            Exception: As the server raises it.
        """
        was_idle = False
        while True:
            action = decide(statement.effect, seen, is_resumed=True, was_idle=was_idle)
            was_idle = action == "look again"
            if action not in ("look again", "remove"):
                return action != "wait"
            await self._make_way(seen, action, began=time.monotonic())
            seen = await self.look(statement)

    async def look(self, statement: Statement) -> Seen:
        """Look at what the catalogue shows of a statement's object; errors as the server raises them."""
        return Seen.read((await self._session.rows(outside.look_at(statement.effect)))[0][0] or "")

    async def send(self, statement: str, seen: Seen) -> None:
        """Send one statement and watch it; errors as of `send_watched`."""
        await send_watched(self._session, statement, pid=seen.pid, budget=self._budget, telling=self._telling)

    async def _make_way(self, seen: Seen, action: Action, *, began: float) -> None:
        if action == "remove":
            for name in (seen.index.name,) if seen.index is not None else seen.leftovers:
                await self.send(outside.drop(name), seen)
        elif action == "wait":
            await self._wait_for(seen.builders, began=began)

    async def _wait_for(self, builders: tuple[int, ...], *, began: float) -> None:
        blockers = await blockers_by_pid(self._session, builders)
        if {blocker.pid for blocker in blockers} - {blocker.pid for blocker in self._telling.in_the_way.blockers}:
            self._telling.block(blockers)
        if time.monotonic() - began >= self._budget:
            self._telling.in_the_way.blockers = blockers
            raise waited_too_long(self._budget)
        await anyio.sleep(SECONDS_BETWEEN_LOOKS)

    async def _hold_against(self, effect: BuildsIndex, seen: Seen, action: Action) -> None:
        """Refuse an index that is not the declared one."""
        assert seen.index is not None  # noqa: S101 -- there is nothing to hold it against otherwise
        declared = effect.strict
        found, reason = conflict_of(seen.index)
        if action == "compare":
            try:
                declared, found = await self._definitions(effect)
            except Exception as error:
                if not self._session.is_open or is_retryable(error):
                    raise
                found, reason = seen.index.definition, f"there is one of that name, and the two can't be compared: {error}"
            else:
                if declared == found:
                    return
                reason = "there is one of that name with another definition"
        raise IndexConflict(
            plugin=self._turn.plugin, step=self._telling.step, index=seen.index.name, declared=declared, found=found, reason=reason
        )

    async def _definitions(self, effect: BuildsIndex) -> tuple[str, str]:
        heard: list[str] = []
        with self._session.hearing(heard.append):
            try:
                await self._session.execute(outside.compare(self._turn, effect, self._limits))
            except Exception:
                if self._session.is_open:
                    await self._session.rollback()
                raise
        both = json.loads(heard[-1])
        return both["declared"], both["found"]
