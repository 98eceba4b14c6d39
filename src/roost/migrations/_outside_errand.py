"""What is sent for a step outside a transaction, there or back, beside its statements. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from roost.migrations import _groups as groups
from roost.migrations import _outside_groups as outside
from roost.migrations._fingerprint import is_same_text
from roost.migrations._in_hand import StepBack, StepForth
from roost.migrations._step_again import StepAgain

if TYPE_CHECKING:
    from roost.migrations._in_hand import StepInHand


class OutsideErrand(Protocol):
    """A step on its way outside a transaction."""

    @property
    def sql(self) -> str:
        """Its statements."""

    @property
    def is_written(self) -> bool:
        """Whether the ledger says already that it was begun."""

    @property
    def has_changed(self) -> bool:
        """Whether its SQL is another than the one that was begun."""

    @property
    def ended(self) -> int:
        """How many statements of what was begun were seen to end."""

    def claim(self) -> str:
        """Return the transaction that writes down that it begins."""

    def resume(self, *, ended: int) -> str:
        """Return the transaction that takes it up again behind so many statements."""

    def finish(self, *, attempts: int, took: float, verify: str) -> str:
        """Return the transaction that writes down that it has ended."""

    def forget(self) -> str:
        """Return the transaction that writes down that nothing of it was done."""


@dataclass(frozen=True, slots=True)
class ErrandForth:
    """A step that is to be run."""

    step: StepForth

    @property
    def sql(self) -> str:
        """Its ``up``."""
        return str(self.step.body)

    @property
    def is_written(self) -> bool:
        """Whether its intent is in the ledger."""
        return self.step.planned.begun is not None

    @property
    def has_changed(self) -> bool:
        """Whether its ``up`` was edited meanwhile."""
        begun = self.step.planned.begun
        return begun is not None and not is_same_text(self.step.planned.step, fingerprint=begun.fingerprint, form=begun.normal_form)

    @property
    def ended(self) -> int:
        """As the ledger says."""
        return 0 if self.step.planned.begun is None else self.step.planned.begun.statements_done

    def claim(self) -> str:
        """Return the transaction of its intent."""
        return f"{self.step.opening}; COMMIT"

    def resume(self, *, ended: int) -> str:
        """Return the transaction that takes its intent up again."""
        return outside.resume(self.step.turn, self.step.planned, ended=ended)

    def finish(self, *, attempts: int, took: float, verify: str) -> str:
        """Return the transaction in which its intent becomes done."""
        return groups.finish_intent(self.step.turn, self.step.planned, attempts=attempts, took=took, verify=verify)

    def forget(self) -> str:
        """Return the transaction that takes its intent back."""
        return groups.forget_intent(self.step.turn, self.step.planned)


@dataclass(frozen=True, slots=True)
class ErrandBack:
    """A step that is to be undone."""

    step: StepBack

    @property
    def sql(self) -> str:
        """Its way back."""
        return str(self.step.body)

    @property
    def is_written(self) -> bool:
        """Whether the ledger says that it is being undone."""
        return self.step.undone.row.state == "undoing"

    @property
    def has_changed(self) -> bool:
        """Whether its way back is another than the one that the ledger kept when it was begun."""
        return self.is_written and self.step.undone.row.down_sql != self.sql

    @property
    def ended(self) -> int:
        """As the ledger says."""
        return self.step.undone.row.statements_done if self.is_written else 0

    def claim(self) -> str:
        """Return the transaction that marks the step as being undone."""
        return outside.undo(self.step.turn, self.step.undone, ended=0)

    def resume(self, *, ended: int) -> str:
        """Return the transaction that takes the way back up again."""
        return outside.undo(self.step.turn, self.step.undone, ended=ended)

    def finish(self, *, attempts: int, took: float, verify: str) -> str:
        """Return the transaction that takes the step out of the ledger."""
        return outside.finish_undoing(self.step.turn, self.step.undone, attempts=attempts, took=took, verify=verify)

    def forget(self) -> str:
        """Return the transaction by which the step is applied as before."""
        return outside.forget_undoing(self.step.turn, self.step.undone)


@dataclass(frozen=True, slots=True)
class ErrandAgain:
    """A repeatable step of one statement: nothing is written down before it has ended, as the catalogue tells what became of it."""

    step: StepAgain

    @property
    def sql(self) -> str:
        """Its text."""
        return str(self.step.body)

    @property
    def is_written(self) -> bool:
        """Never: no intent is kept."""
        return False

    @property
    def has_changed(self) -> bool:
        """Never."""
        return False

    @property
    def ended(self) -> int:
        """None: it is one statement."""
        return 0

    def claim(self) -> str:
        """Return the transaction that asks whether it is still this run's turn, and the ledger as it was."""
        return f"{self.step.opening}; COMMIT"

    def resume(self, *, ended: int) -> str:  # noqa: ARG002 -- of one statement none has ended
        """Return the same again."""
        return self.claim()

    def finish(self, *, attempts: int, took: float, verify: str) -> str:
        """Return the transaction that writes down its text."""
        return self.step.finish(attempts=attempts, took=took, verify=verify)

    def forget(self) -> str:
        """Return the transaction that asks whether it is still this run's turn: there is nothing to take back."""
        turn = self.step.turn
        return f"{turn.resets}; {turn.begin}; {turn.fence}; COMMIT"


def errand_of(step: StepInHand) -> OutsideErrand:
    """Return what is sent for a step, whichever way it goes.

    Raises:
        TypeError: It goes neither way.
    """
    if isinstance(step, StepForth):
        return ErrandForth(step)
    if isinstance(step, StepBack):
        return ErrandBack(step)
    if isinstance(step, StepAgain):
        return ErrandAgain(step)
    raise TypeError(type(step).__name__)
