"""A repeatable step on its way: what is sent for it, and by what the ledger says that it is done. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roost.migrations import _groups as groups
from roost.migrations._in_hand import StepInHand, flushes, telling_of
from roost.migrations._ledger import NO_FLUSH
from roost.postgres import quote_literal, quote_nullable

if TYPE_CHECKING:
    from roost.migrations._config import MigrationConfig
    from roost.migrations._plan import PluginState
    from roost.migrations._repeatable import PlannedRepeatable


@dataclass(frozen=True, slots=True, kw_only=True)
class StepAgain(StepInHand):
    """A repeatable step that is to be run."""

    planned: PlannedRepeatable

    @property
    def characters(self) -> int:
        """Its SQL."""
        return len(self.planned.step.up)

    @property
    def checksum(self) -> str:
        """The fingerprint of its text."""
        return self.planned.fingerprint

    @property
    def opening(self) -> str:
        """The question whether the ledger still holds what the step was planned over."""
        begin = (
            f"SELECT roost.begin_repeatable({self.turn.ours}, {quote_nullable(self.planned_on)}, {quote_literal(self.planned.step.id)}, "
            f"{quote_nullable(self.planned.planned_over)})"
        )
        return f"{self.turn.begin}; {begin}; {groups.settings(self.turn, self.limits, step=self.planned.step.id, local=True)}"

    def closing(self, *, attempts: int) -> str:
        """Return what writes down its text, and makes due what comes after it."""
        return f"{self.turn.resets}; {'' if self.flush else f'{NO_FLUSH}; '}{self.planned.epilogue}{self._end(attempts, took=None)}COMMIT"

    def finish(self, *, attempts: int, took: float, verify: str) -> str:
        """Return the transaction that does so for a step which ran outside one, once what it did is verified (`verify`)."""
        return f"{self.turn.resets}; {self.turn.begin}; {self.turn.fence}; {verify}{self._end(attempts, took=took)}COMMIT"

    def _end(self, attempts: int, *, took: float | None) -> str:
        planned = self.planned
        followers = ", ".join(map(quote_literal, planned.followers))
        finish = (
            f"SELECT roost.finish_repeatable({self.turn.run}, {self.turn.kept}, {quote_literal(planned.step.id)}, "
            f"{quote_literal(planned.fingerprint)}, ARRAY[{followers}]::text[])"
        )
        done = groups.record(
            self.turn,
            step=planned.step.id,
            version=planned.version,
            direction="up",
            attempts=attempts,
            took=took,
            checksum=planned.fingerprint,
        )
        return f"{finish}; {done}"

    @property
    def escape(self) -> str | None:
        """Nothing: SQL can't end its own transaction."""
        return None

    def is_done(self, state: PluginState) -> bool:
        """Tell whether this run has run this text."""
        return any(
            row.step == self.planned.step.id and row.fingerprint == self.planned.fingerprint and row.run == self.turn.run
            for row in state.repeated
        )


def steps_again(
    steps: Sequence[PlannedRepeatable],
    *,
    total: int,
    turn: groups.Turn,
    config: MigrationConfig,
    planned_on: str | None,
    emit: Callable[[object], None],
) -> list[StepAgain]:
    """Return a plan's repeatable steps as they are to be run.

    Args:
        steps: The steps, in order.
        total: How many steps the plan has, with its versioned ones, which come before.
        turn: Whose steps these are.
        config: The limits of those that have none of their own.
        planned_on: The head's hash that the ledger must have once the versioned steps are applied.
        emit: Where events go.
    """
    return [
        StepAgain(
            turn=turn,
            limits=groups.limits_under(config, lock_timeout=planned.step.lock_timeout, statement_timeout=planned.step.statement_timeout),
            planned_on=planned_on,
            telling=telling_of(
                planned,
                turn=turn,
                emit=emit,
                index=index,
                total=total,
                transactional=planned.transactional,
                fingerprint=planned.fingerprint,
            ),
            flush=flushes(planned.step.up, index=index, total=total),
            planned=planned,
        )
        for index, planned in enumerate(steps, start=total - len(steps) + 1)
    ]
