"""One thing that is started and stopped, and what is told of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from roost.runtime._reason import reason_of

State: TypeAlias = Literal["new", "waiting", "starting", "running", "failed", "restarting", "degraded", "stopping", "stopped", "abandoned"]
Kind: TypeAlias = Literal["service", "plugin", "preparer"]
Action: TypeAlias = Callable[[], Coroutine[Any, Any, None]]
Failure: TypeAlias = tuple[str, Exception]
"""Whose it is, and the error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitStatus:
    """Where one service, preparer or plugin stands.

    Attributes:
        name: Its name.
        kind: What it is.
        state: Its state.
        since: Seconds that it has been in this state.
        took: Seconds that its start took; None before it ended.
        error: The text of its last error.
        waits_for: The names of what it waits for.
    """

    name: str
    kind: Kind
    state: State
    since: float
    took: float | None
    error: str | None
    waits_for: tuple[str, ...]


@dataclass(eq=False, slots=True)
class Unit:
    """A service, a preparer, or a plugin with its hooks, in one life of a runtime after another.

    Attributes:
        kind: What it is; a service's error is wrapped in one that names it.
        name: For events and errors.
        start: Starts it; None where there is nothing to do.
        stop: Stops it, called only after a start that succeeded; None where there is nothing to do.
        tasks: Returns the tasks that run beside, and belong to it; None where there can't be any.
        drain: Lets it finish what it has in hand, before anything is stopped.
        needs: What must be started before.
        start_timeout: Seconds, or None.
        stop_timeout: Seconds, or None.
        state: Where it stands.
        since: When it came there, by the monotonic clock.
        took: Seconds that its start took.
        error: What its last start or stop raised.
        owner: The plugin that it belongs to, if one does.
    """

    kind: Kind
    name: str
    start: Action | None = None
    stop: Action | None = None
    tasks: Callable[[], Sequence[asyncio.Task[Any]]] | None = None
    drain: Action | None = None
    needs: Sequence[Unit] = ()
    start_timeout: float | None = None
    stop_timeout: float | None = None
    state: State = "new"
    since: float = 0.0
    took: float | None = None
    error: BaseException | None = None
    owner: str | None = None
    _decided: asyncio.Event | None = None

    def enter(self, state: State, error: BaseException | None = None) -> None:
        """Note a change of state, and wake who waits for the end of the start."""
        self.state, self.since, self.error = state, time.monotonic(), error
        if self._decided is not None and self.is_decided:
            self._decided.set()
            self._decided = None

    @property
    def is_decided(self) -> bool:
        """Whether a start has ended, well or not, and no stop has followed."""
        return self.is_up or self.state == "failed" or (self.state == "new" and self.error is not None)

    @property
    def is_up(self) -> bool:
        """Whether it has started and not stopped, be it degraded or on its way back from a crash."""
        return self.state in ("running", "restarting", "degraded")

    async def decided(self) -> None:
        """Wait until a start has ended, well or not.

        Raises:
            BaseException: What it failed with.
        """
        while not self.is_decided:
            if self._decided is None:
                self._decided = asyncio.Event()
            await self._decided.wait()
        if self.error is not None and not self.is_up:
            raise self.error

    def status(self) -> UnitStatus:
        """Return where it stands, as plain data."""
        return UnitStatus(
            name=self.name,
            kind=self.kind,
            state=self.state,
            since=time.monotonic() - self.since if self.since else 0.0,
            took=self.took,
            error=None if self.error is None else reason_of(self.error),
            waits_for=self.waits_for() if self.state == "waiting" else (),
        )

    def waits_for(self) -> tuple[str, ...]:
        """Return the names of what is not started yet."""
        return tuple(needed.name for needed in self.needs if not needed.is_up)
