"""Keeps what was sent and not answered yet: when the connection breaks, the ledger says what became of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from roost.migrations._events import StepOutcomeLearned

if TYPE_CHECKING:
    from roost.migrations._plan import PluginState
    from roost.migrations._records import StepReport
    from roost.migrations._telling import StepTelling


class SentSteps:
    """The steps of the message that was sent last, as long as nobody knows which of them are done.

    Args:
        emit: Where events go.
    """

    def __init__(self, emit: Callable[[object], None]) -> None:
        self._emit = emit
        self._tellings: list[StepTelling] = []

    @property
    def plugins(self) -> frozenset[str]:
        """The plugins whose steps these are."""
        return frozenset(telling.plugin for telling in self._tellings)

    def note(self, steps: Sequence[StepTelling]) -> None:
        """Note the steps of a message that is about to be sent."""
        self._tellings = list(steps)

    def answered(self, step: str) -> None:
        """Strike out a step of which it is known by now that it is done."""
        self._tellings = [telling for telling in self._tellings if telling.step != step]

    def clear(self) -> None:
        """Strike out all: none of them was done."""
        self._tellings.clear()

    def learn(self, state: PluginState, *, plugin: str, runs: Collection[int]) -> list[StepReport]:
        """Learn from the ledger, under the lock, what became of a plugin's steps, tell it, and strike them out.

        Args:
            state: What the ledger holds of the plugin.
            plugin: The plugin.
            runs: The numbers of all runs that were opened for this one.

        Returns:
            What was done.
        """
        standing = {row.step for row in state.applied}
        applied: set[tuple[str, str | None]] = {(row.step, None) for row in state.applied if row.run in runs and row.state == "done"}
        # The same run may have run another text of it before: an earlier part of a declared schema's change.
        applied |= {(row.step, row.fingerprint) for row in state.repeated if row.run in runs}
        ours = [telling for telling in self._tellings if telling.plugin == plugin]
        self._tellings = [telling for telling in self._tellings if telling.plugin != plugin]
        done: list[StepReport] = []
        for telling in ours:
            is_applied = (telling.step, telling.fingerprint) in applied if telling.direction == "up" else telling.step in standing
            is_done = is_applied == (telling.direction == "up")
            if telling.has_begun or is_done:
                self._emit(StepOutcomeLearned(plugin=plugin, step=telling.step, is_applied=is_applied))
            if is_done:
                done.append(telling.report())
        return done
