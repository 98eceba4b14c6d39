"""What is told of one step while it runs: that it began, that it is tried again, and once how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from roost.migrations._events import StepBlocked, StepFinished, StepProgressed, StepRetried, StepStarted
from roost.migrations._in_the_way import InTheWay
from roost.migrations._records import StepReport

if TYPE_CHECKING:
    from roost.errors import Blocker
    from roost.migrations._records import Direction
    from roost.migrations._step import StepBody
    from roost.postgres import BuildProgress


@dataclass(slots=True, kw_only=True)
class StepTelling:
    """One step, as listeners and reports hear of it.

    Attributes:
        emit: Where events go.
        plugin: The plugin's name.
        step: The step's id.
        description: What it does.
        version: The version it belongs to.
        direction: Up or down.
        body: What is run.
        index: Its place among the steps of its service's turn, from 1.
        total: Their number.
        attempts: How often it was begun.
        duration: Seconds from its beginning to its end.
        in_the_way: Who keeps it from a lock.
        transactional: Whether it runs in a transaction.
        fingerprint: Of a repeatable step what the ledger holds once it has run; None for all others, whose id is enough.
        part: What of its body was sent last, and how many characters come before that; None where it is sent as a whole.
    """

    emit: Callable[[object], None]
    plugin: str
    step: str
    description: str
    version: str
    direction: Direction
    body: StepBody
    index: int
    total: int
    attempts: int = 0
    duration: float = 0.0
    in_the_way: InTheWay = field(default_factory=InTheWay)
    transactional: bool = True
    fingerprint: str | None = None
    part: tuple[str, int] | None = None
    _began: float | None = field(default=None, init=False)

    @property
    def took(self) -> float:
        """Seconds since it began; 0 when it did not."""
        return 0.0 if self._began is None else time.monotonic() - self._began

    @property
    def has_begun(self) -> bool:
        """Whether its beginning was told."""
        return self._began is not None

    def begin(self) -> None:
        """Tell that it begins; of a further attempt nothing is told here."""
        if self._began is not None:
            return
        self._began = time.monotonic()
        self.emit(
            StepStarted(
                plugin=self.plugin,
                step=self.step,
                description=self.description,
                version=self.version,
                direction=self.direction,
                index=self.index,
                total=self.total,
                transactional=self.transactional,
            )
        )

    def retry(self, attempt: int, error: BaseException) -> None:
        """Tell that an attempt failed and another follows."""
        self.emit(StepRetried(plugin=self.plugin, step=self.step, attempt=attempt, error=error))

    def block(self, blockers: tuple[Blocker, ...]) -> None:
        """Tell who keeps it from a lock."""
        self.in_the_way.blockers = blockers
        self.emit(StepBlocked(plugin=self.plugin, step=self.step, blockers=blockers))

    def progress(self, progress: BuildProgress) -> None:
        """Tell how far the build of an index is."""
        self.emit(StepProgressed(plugin=self.plugin, step=self.step, phase=progress.phase, done=progress.done, total=progress.total))

    def finish(self, error: BaseException | None = None) -> None:
        """Tell how it ended."""
        self.begin()
        self.duration = self.took
        self.emit(
            StepFinished(
                plugin=self.plugin,
                step=self.step,
                version=self.version,
                direction=self.direction,
                index=self.index,
                total=self.total,
                duration=self.duration,
                attempts=self.attempts,
                error=error,
            )
        )

    def report(self) -> StepReport:
        """Return what was done."""
        return StepReport(
            plugin=self.plugin,
            step=self.step,
            description=self.description,
            version=self.version,
            direction=self.direction,
            sql=self.body if isinstance(self.body, str) else None,
            attempts=self.attempts,
            duration=self.duration,
        )


class TellingsOfAMessage:
    """Steps that were sent in one message, in which the server begins each only when the one before is committed.

    Args:
        tellings: The steps in their order.
    """

    def __init__(self, tellings: Sequence[StepTelling]) -> None:
        self._tellings = tellings
        self._begun = 0
        self._finished = 0

    @property
    def begun(self) -> int:
        """How many of the steps the server has begun."""
        return self._begun

    def hear(self, step: str) -> None:
        """Take the server's word that a step begins."""
        if self._begun < len(self._tellings) and self._tellings[self._begun].step == step:
            self._begin_next()

    def finish_done(self, number: int) -> None:
        """Tell that so many of the steps, counted from the first, are done."""
        while self._begun < number:
            self._begin_next()
        while self._finished < number:
            self._finish_next(None)

    def break_off(self, error: BaseException) -> None:
        """Tell that nobody knows how the step in hand ended."""
        if self._finished < self._begun:
            self._finish_next(error)

    def _begin_next(self) -> None:
        if self._finished < self._begun:
            self._finish_next(None)
        telling = self._tellings[self._begun]
        telling.attempts = 1
        telling.begin()
        self._begun += 1

    def _finish_next(self, error: BaseException | None) -> None:
        self._tellings[self._finished].finish(error)
        self._finished += 1
