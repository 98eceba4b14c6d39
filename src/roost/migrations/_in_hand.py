"""A step on its way, there or back: what is sent for it, and by what the ledger says that it is done. Pure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roost.migrations import _groups as groups
from roost.migrations._fingerprint import fingerprint_of
from roost.migrations._telling import StepTelling

if TYPE_CHECKING:
    from roost.migrations._config import MigrationConfig
    from roost.migrations._plan import PlannedStep, PluginState
    from roost.migrations._repeatable import PlannedRepeatable
    from roost.migrations._rollback import UndoneStep
    from roost.migrations._step import StepBody


@dataclass(frozen=True, slots=True, kw_only=True)
class StepInHand(ABC):
    """A step on its way.

    Attributes:
        turn: Whose step it is.
        limits: Its time limits.
        planned_on: The head's hash that the ledger must have, or the plan no longer fits.
        telling: What is told of it.
        flush: Whether its commit waits for the disk.
    """

    turn: groups.Turn
    limits: groups.Limits
    planned_on: str | None
    telling: StepTelling
    flush: bool

    @property
    def body(self) -> StepBody:
        """What is run."""
        return self.telling.body

    @property
    def is_shared(self) -> bool:
        """Whether it may share a message: SQL inside a transaction may, as the client has nothing to do before it and after it."""
        return self.telling.transactional and isinstance(self.body, str)

    @property
    @abstractmethod
    def characters(self) -> int:
        """How much text is sent for it, as far as the step decides that."""

    @property
    @abstractmethod
    def checksum(self) -> str:
        """The fingerprint of the step, for the history."""

    @property
    @abstractmethod
    def opening(self) -> str:
        """The beginning of its transaction, up to the body."""

    @abstractmethod
    def closing(self, *, attempts: int) -> str:
        """Return the end of its transaction, after a body that was tried so often."""

    @property
    @abstractmethod
    def escape(self) -> str | None:
        """The transaction that leaves a trace of a function which ended its own; None where there is one already."""

    @abstractmethod
    def is_done(self, state: PluginState) -> bool:
        """Tell whether the ledger says that this step was taken."""

    @property
    def group(self) -> str:
        """The whole transaction of a step that is SQL, tried for the first time."""
        return f"{self.opening}; {groups.execute(str(self.body))}; {self.closing(attempts=1)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepForth(StepInHand):
    """A planned step that is to be run."""

    planned: PlannedStep

    @property
    def characters(self) -> int:
        """Its SQL, and that of its way back, which the ledger keeps."""
        return sum(len(body) for body in (self.planned.step.up, self.planned.step.down) if isinstance(body, str))

    @property
    def checksum(self) -> str:
        """The fingerprint of the body that is run."""
        return fingerprint_of(self.planned.step)

    @property
    def opening(self) -> str:
        """The claim; outside a transaction only an intent, and of a function that it escaped, until the end says better."""
        state = "intent" if not self.planned.step.transactional else "done" if isinstance(self.body, str) else "escaped"
        is_first = self.telling.index == 1
        return groups.open_up(self.turn, self.planned, self.limits, planned_on=self.planned_on, state=state, is_first=is_first)

    def closing(self, *, attempts: int) -> str:
        """Return what moves the plugin's head."""
        return groups.close_up(self.turn, self.planned, attempts=attempts, flush=self.flush)

    @property
    def escape(self) -> str | None:
        """The claim that a function has rolled back."""
        return groups.escape(self.turn, self.planned)

    def is_done(self, state: PluginState) -> bool:
        """Tell whether this run has applied it."""
        return any(row.step == self.planned.step.id and row.run == self.turn.run for row in state.applied)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepBack(StepInHand):
    """An applied step that is to be undone."""

    undone: UndoneStep

    @property
    def characters(self) -> int:
        """Its way back."""
        return len(self.body) if isinstance(self.body, str) else 0

    @property
    def checksum(self) -> str:
        """The fingerprint of what had been run."""
        return self.undone.row.fingerprint

    @property
    def opening(self) -> str:
        """The end of the step's row; of a function only a mark on it, until the end says better."""
        return groups.open_down(self.turn, self.undone, self.limits, planned_on=self.planned_on)

    def closing(self, *, attempts: int) -> str:
        """Return what moves the plugin's head back."""
        return groups.close_down(self.turn, self.undone, attempts=attempts, flush=self.flush)

    @property
    def escape(self) -> str | None:
        """Nothing: a function that committed has left its mark, and after one that rolled back the step is still applied."""
        return None

    def is_done(self, state: PluginState) -> bool:
        """Tell whether its row is gone; one that a later run wrote is another's."""
        return all(row.step != self.undone.row.step or row.run != self.undone.row.run for row in state.applied)


def steps_forth(
    steps: Sequence[PlannedStep],
    *,
    total: int,
    turn: groups.Turn,
    config: MigrationConfig,
    planned_on: str | None,
    emit: Callable[[object], None],
) -> list[StepForth]:
    """Return a plan's steps as they are to be run.

    Args:
        steps: The steps, in order.
        total: How many steps the plan has, with its repeatable ones.
        turn: Whose steps these are.
        config: The limits of those that have none of their own.
        planned_on: The head's hash that the plan was made on.
        emit: Where events go.
    """
    heads = [planned_on, *[planned.chain for planned in steps]]
    return [
        StepForth(
            turn=turn,
            limits=groups.limits_under(config, lock_timeout=planned.step.lock_timeout, statement_timeout=planned.step.statement_timeout),
            planned_on=head,
            telling=telling_of(planned, turn=turn, emit=emit, index=index, total=total, transactional=planned.step.transactional),
            flush=flushes(planned.step.up, index=index, total=total),
            planned=planned,
        )
        for index, (planned, head) in enumerate(zip(steps, heads, strict=False), start=1)
    ]


def steps_back(
    steps: Sequence[UndoneStep],
    *,
    after: int,
    turn: groups.Turn,
    config: MigrationConfig,
    planned_on: str | None,
    emit: Callable[[object], None],
) -> list[StepBack]:
    """Return a rollback plan's steps as they are to be undone.

    Args:
        steps: All of the plan's steps, in order.
        after: How many of them are undone already.
        turn: Whose steps these are.
        config: Their limits.
        planned_on: The head's hash that the ledger must have before the next one.
        emit: Where events go.
    """
    rest = steps[after:]
    heads = [planned_on, *[undone.chain_after for undone in rest]]
    return [
        StepBack(
            turn=turn,
            limits=groups.limits_under(config),
            planned_on=head,
            telling=StepTelling(
                emit=emit,
                plugin=turn.plugin,
                step=undone.row.step,
                description=undone.description,
                version=undone.row.version,
                direction="down",
                body=undone.down,
                index=index,
                total=len(steps),
                transactional=undone.transactional,
            ),
            flush=flushes(undone.down, index=index, total=len(steps)),
            undone=undone,
        )
        for index, (undone, head) in enumerate(zip(rest, heads, strict=False), start=after + 1)
    ]


def telling_of(
    planned: PlannedStep | PlannedRepeatable,
    *,
    turn: groups.Turn,
    emit: Callable[[object], None],
    index: int,
    total: int,
    transactional: bool = True,
    fingerprint: str | None = None,
) -> StepTelling:
    """Return what is told of a step that is to be run; arguments as of `StepTelling`."""
    return StepTelling(
        emit=emit,
        plugin=turn.plugin,
        step=planned.step.id,
        description=planned.step.description,
        version=planned.version,
        direction="up",
        body=planned.step.up,
        index=index,
        total=total,
        transactional=transactional,
        fingerprint=fingerprint,
    )


def flushes(body: StepBody, *, index: int, total: int) -> bool:
    """Tell whether a step's commit waits for the disk: that of the last does, and takes the others along."""
    # A function may have done more than the database knows of, so its record is on disk before anything follows it.
    return index == total or not isinstance(body, str)
