"""Waits for one's turn at a step, where a pooler lets no run hold the lock for longer than that."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import anyio

from roost.migrations._ledger import BUSY
from roost.postgres import WATCH_SECONDS, sqlstate_of

if TYPE_CHECKING:
    from roost.errors import MigrationLockTimeout
    from roost.postgres import MigrationSession

FIRST_WAIT = 0.01
LONGEST_WAIT = 0.25


class TurnTaken(Exception):  # noqa: N818 -- it is no error: whoever catches it plans again
    """Another run is at work, or was quicker.

    Attributes:
        is_busy: Whether it is at work just now, so that it is worth while to wait a little.
    """

    def __init__(self, *, is_busy: bool) -> None:
        super().__init__("another run is at work" if is_busy else "another run was quicker")
        self.is_busy: bool = is_busy


class TurnWait:
    """The patience of one run between two of its steps.

    Args:
        timeout: Seconds without any progress of its own after which it gives up.
        jitter: Spreads the questions of many waiters.
        began: Told when it has to wait.
        ended: Told when the wait is over: whether it got its turn, how many seconds it waited, and the error with which it gave up.
        late: Returns what to raise after so many seconds.
        watching: Looks who is at work now; awaited about once a second.
    """

    def __init__(
        self,
        *,
        timeout: float,
        jitter: random.Random,
        began: Callable[[], None],
        ended: Callable[[bool, float, BaseException | None], None],
        late: Callable[[float], Awaitable[MigrationLockTimeout]],
        watching: Callable[[], Awaitable[None]],
    ) -> None:
        self._timeout = timeout
        self._jitter = jitter
        self._began = began
        self._ended = ended
        self._late = late
        self._watching = watching
        self._watched = 0.0
        self._since: float | None = None
        self._wait = FIRST_WAIT

    def over(self, *, acquired: bool) -> None:
        """Note that the run got on: patience begins anew.

        Args:
            acquired: Whether it got its turn; else others have left it nothing to do.
        """
        if self._since is not None:
            self._ended(acquired, time.monotonic() - self._since, None)
        self._since, self._wait = None, FIRST_WAIT

    async def pause(self) -> None:
        """Wait a little, longer each time.

        Raises:
            MigrationLockTimeout: Others were at work for too long.
        """
        if self._since is None:
            self._since = self._watched = time.monotonic()
            self._began()
        if time.monotonic() - self._since >= self._timeout:
            error = await self._late(self._timeout)
            self._ended(False, time.monotonic() - self._since, error)  # noqa: FBT003 -- a callback
            self._since = None
            raise error
        if time.monotonic() - self._watched >= WATCH_SECONDS:
            self._watched = time.monotonic()
            await self._watching()
        await anyio.sleep(self._wait * (0.5 + self._jitter.random()))
        self._wait = min(self._wait * 1.5, LONGEST_WAIT)

    async def for_turn(self, session: MigrationSession, message: str) -> None:
        """Send one fenced transaction, again while another run is at work.

        Raises:
            MigrationLockTimeout: Others were at work for too long.
            Exception: As the driver raises it; the transaction is rolled back.
        """
        while True:
            try:
                await session.execute(message)
            except Exception as error:
                if session.is_open:
                    await session.rollback()
                if sqlstate_of(error) != BUSY:
                    raise
            else:
                self.over(acquired=True)
                return
            await self.pause()
