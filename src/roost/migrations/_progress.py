"""Where a run of migrations stands, kept from its events: for probes, live displays and whoever else wants to know just now."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from roost.migrations import _events as events

if TYPE_CHECKING:
    from roost.errors import Blocker
    from roost.migrations._lock_holding import MigrationLockHolder
    from roost.runtime import EventBus

RunState: TypeAlias = Literal["idle", "looking", "waiting", "migrating", "done", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationStanding:
    """Where a run stands. What does not apply to its state is None, 0 or empty.

    Attributes:
        state: Whether no run has begun, it looks what is to do, waits for its turn, is at work, or has ended well or not.
        since: When that began, or the step in hand, by `time.monotonic`; 0 where no run has begun.
        plugin: The plugin whose turn it is.
        step: The step in hand, or the last one.
        description: What the step does.
        index: The step's place among those of its plugin's turn, from 1.
        total: Their number.
        done: How many of them are done.
        attempts: How often the step was begun.
        blockers: Who keeps the step from a lock.
        phase: How far a step is that builds an index, in the server's words.
        share: How much of that phase is done, from 0 to 1; None where it is not known.
        waits_for: The application name of who has the turn, which says plugin and step.
        holder: Who has the turn, as it was last seen.
        steps: How many steps the run has taken.
        error: What the run failed with.
    """

    state: RunState = "idle"
    since: float = 0.0
    plugin: str | None = None
    step: str | None = None
    description: str | None = None
    index: int = 0
    total: int = 0
    done: int = 0
    attempts: int = 0
    blockers: tuple[Blocker, ...] = ()
    phase: str | None = None
    share: float | None = None
    waits_for: str | None = None
    holder: MigrationLockHolder | None = None
    steps: int = 0
    error: BaseException | None = None

    @property
    def is_running(self) -> bool:
        """Whether a run has begun and not ended."""
        return self.state in ("looking", "waiting", "migrating")

    def describe(self, *, now: float | None = None) -> str:
        """Return it in one line, such as ``memory 3/7 add-embedding, 12 s``.

        Args:
            now: The time by `time.monotonic`; the present one by default.
        """
        lasted = f"{max((time.monotonic() if now is None else now) - self.since, 0.0):.0f} s"
        match self.state:
            case "idle":
                return "no run has begun"
            case "looking":
                return f"looking what is to be migrated, {lasted}"
            case "waiting":
                return ", ".join([f"waiting for another run ({self.waits_for or 'unknown'}), {lasted}", *self._holder()])
            case "migrating":
                return ", ".join([*self._step(lasted), *self._trouble()])
            case "done":
                return f"{self.steps} steps done" if self.steps else "nothing to do"
            case "failed":
                return f"failed: {str(self.error).partition(chr(10))[0]}"

    def _step(self, lasted: str) -> list[str]:
        if self.step is None:
            return [f"{self.plugin}, {lasted}"]
        return [f"{self.plugin} {self.index}/{self.total} {self.step}", lasted]

    def _trouble(self) -> list[str]:
        share = "" if self.share is None else f" {self.share:.0%}"
        return [
            *([f"{self.phase}{share}"] if self.phase is not None else []),
            *([f"try {self.attempts}"] if self.attempts > 1 else []),
            *([f"blocked by {'; '.join(map(str, self.blockers))}"] if self.blockers else []),
        ]

    def _holder(self) -> list[str]:
        if self.holder is None:
            return []
        return [f"holder {self.holder.client_host or self.holder.host or f'server process {self.holder.pid}'}"]


class MigrationProgress:
    """Listens to a runtime, and knows where its migrations stand: ``MigrationProgress(runtime.events).standing.describe()``.

    Args:
        bus: The events of the runtime.
    """

    def __init__(self, bus: EventBus) -> None:
        self._standing = MigrationStanding()
        self._unsubscribe = bus.subscribe(
            self._hear,
            events.RunStarted,
            events.RunFinished,
            events.LockWaitStarted,
            events.LockHolderSeen,
            events.LockWaitFinished,
            events.ServiceMigrationStarted,
            events.StepStarted,
            events.StepFinished,
            events.StepRetried,
            events.StepBlocked,
            events.StepProgressed,
        )

    @property
    def standing(self) -> MigrationStanding:
        """Where the run stands that began last."""
        return self._standing

    def close(self) -> None:
        """Stop listening."""
        self._unsubscribe()

    def _hear(self, event: object) -> None:  # noqa: C901 -- a table: what each event changes
        now, before = time.monotonic(), self._standing
        match event:
            # These two come in thousands, so they come first, and are made without looking at what was before.
            case events.StepStarted():
                self._standing = MigrationStanding(
                    state="migrating",
                    since=now,
                    plugin=event.plugin,
                    step=event.step,
                    description=event.description,
                    index=event.index,
                    total=event.total,
                    done=event.index - 1,
                    attempts=1,
                    steps=before.steps,
                )
            case events.StepFinished(error=None):
                self._standing = replace(before, done=event.index, steps=before.steps + 1, blockers=(), phase=None, share=None)
            case events.RunStarted():
                self._standing = MigrationStanding(state="looking", since=now)
            case events.RunFinished():
                state: RunState = "done" if event.error is None else "failed"
                self._standing = replace(before, state=state, since=now, steps=event.steps, error=event.error)
            case events.LockWaitStarted():
                self._standing = replace(before, state="waiting", since=now, waits_for=event.holder, holder=None)
            case events.LockHolderSeen():
                self._standing = replace(before, waits_for=event.holder.application_name, holder=event.holder)
            case events.LockWaitFinished():
                after: RunState = "looking" if before.plugin is None else "migrating"
                self._standing = replace(before, state=after, since=now, waits_for=None, holder=None)
            case events.ServiceMigrationStarted():
                self._standing = MigrationStanding(state="migrating", since=now, plugin=event.plugin, steps=before.steps)
            case events.StepRetried():
                self._standing = replace(before, attempts=event.attempt + 1, blockers=())
            case events.StepBlocked():
                self._standing = replace(before, blockers=event.blockers)
            case events.StepProgressed():
                share = event.done / event.total if event.total else None
                self._standing = replace(before, phase=event.phase, share=share)
            case _:  # a step that failed: the run tells with what
                pass
