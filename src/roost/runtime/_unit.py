"""One thing that is started and stopped, and what is told of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from roost.runtime._clock import now
from roost.runtime._reason import reason_of

State: TypeAlias = Literal["new", "waiting", "starting", "running", "failed", "restarting", "degraded", "stopping", "stopped", "abandoned"]
Kind: TypeAlias = Literal["service", "plugin", "preparer"]
Action: TypeAlias = Callable[[], Coroutine[Any, Any, None]]
Failure: TypeAlias = tuple[str, Exception]
"""Whose it is, and the error."""

BEGINS = ("waiting", "starting", "running")
"""States in which the last error is forgotten: a new start has begun, or all is well again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitStatus:
    """Where one service, preparer or plugin stands.

    Attributes:
        name: Its name.
        kind: What it is.
        state: Its state.
        since: Seconds that it has been in this state.
        took: Seconds that its start took; None before it ended.
        error: Its last error in words; it is kept until the next start.
        waits_for: The names of what it waits for.
    """

    name: str
    kind: Kind
    state: State
    since: float
    took: float | None
    error: str | None
    waits_for: tuple[str, ...]


class UnitBody(Protocol):
    """What lives in a unit between its start and its stop."""

    def tasks(self) -> Sequence[asyncio.Task[Any]]:
        """Return the tasks that run beside, and belong to it."""

    def close(self) -> None:
        """Take no more tasks, and no crashes: the start has failed."""


@dataclass(eq=False, slots=True)
class Unit:
    """A service, a preparer, or a plugin with its hooks, in one life of a runtime after another.

    Attributes:
        kind: What it is; a service's error is wrapped in one that names it.
        name: For events and errors.
        start: Starts it; None where there is nothing to do.
        stop: Stops it, called only after a start that succeeded; None where there is nothing to do.
        drain: Lets it finish what it has in hand, before anything is stopped.
        body: What lives in it; None for what has no tasks.
        needs: What must be started before.
        start_timeout: Seconds, or None.
        stop_timeout: Seconds, or None.
        state: Where it stands.
        since: When it came there, by the loop's clock; None before anything was done with it.
        took: Seconds that its start took.
        error: What its last start, run or stop raised.
        owner: The plugin that it belongs to, if one does.
    """

    kind: Kind
    name: str
    start: Action | None = None
    stop: Action | None = None
    drain: Action | None = None
    body: UnitBody | None = None
    needs: Sequence[Unit] = ()
    start_timeout: float | None = None
    stop_timeout: float | None = None
    state: State = "new"
    since: float | None = None
    took: float | None = None
    error: BaseException | None = None
    owner: str | None = None
    _waiters: list[asyncio.Future[None]] = field(default_factory=list)

    def enter(self, state: State, error: BaseException | None = None) -> None:
        """Note a change of state, and wake who waits for the end of the start."""
        self.state, self.since = state, now()
        if error is not None or state in BEGINS:
            self.error = error
        if self._waiters and self.is_decided:
            for waiter in self._waiters:
                if not waiter.done():
                    waiter.set_result(None)

    @property
    def is_decided(self) -> bool:
        """Whether a start has ended, well or not, and no stop has followed."""
        return self.is_up or self.state in ("failed", "abandoned") or (self.state == "new" and self.error is not None)

    @property
    def is_up(self) -> bool:
        """Whether it has started and not stopped, be it degraded or on its way back from a crash."""
        return self.state in ("running", "restarting", "degraded")

    @property
    def lasted(self) -> float:
        """Seconds that it has been in its state."""
        return 0.0 if self.since is None else now() - self.since

    def tasks(self) -> Sequence[asyncio.Task[Any]]:
        """Return the tasks that run beside, and belong to it."""
        return () if self.body is None else self.body.tasks()

    async def decided(self) -> None:
        """Wait until a start has ended, well or not.

        Raises:
            BaseException: What it failed with.
        """
        while not self.is_decided:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            finally:
                self._waiters.remove(waiter)
        if self.error is not None and not self.is_up:
            raise self.error

    def status(self) -> UnitStatus:
        """Return where it stands, as plain data."""
        return UnitStatus(
            name=self.name,
            kind=self.kind,
            state=self.state,
            since=self.lasted,
            took=self.took,
            error=None if self.error is None else reason_of(self.error),
            waits_for=self.waits_for() if self.state == "waiting" else (),
        )

    def waits_for(self) -> tuple[str, ...]:
        """Return the names of what is not started yet."""
        return tuple(needed.name for needed in self.needs if not needed.is_up)


def as_exception(error: BaseException) -> Exception:
    """Return an error as one that may stand in a group beside others."""
    if isinstance(error, Exception):
        return error
    wrapped = RuntimeError(f"it ended with {error!r}")
    wrapped.__cause__ = error
    return wrapped
