"""How a run comes to its place: a session, a look, the lock, a number in the ledger; and how it gives all of that back."""

from __future__ import annotations

import os
import random
import socket
import time
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING
from uuid import uuid4

import anyio

from roost.errors import MigrationLockTimeout, NoDatabase, PoolerInTheWay, ReadOnlyServer, SessionLost
from roost.migrations import _ledger as ledger
from roost.migrations import _ledger_run as ledger_run
from roost.migrations._events import LockHolderSeen, LockWaitFinished, LockWaitStarted, SessionReopened
from roost.migrations._lock_holding import HolderWatch, migration_lock_timeout, tell_run
from roost.migrations._runner import Closing
from roost.migrations._trace import run_trace_id
from roost.migrations._turn_wait import TurnWait
from roost.postgres import MigrationSession, advisory_lock_key, is_connection_lost, lock_or_satisfied, sqlstate_of

if TYPE_CHECKING:
    from roost.migrations._config import MigrationConfig
    from roost.migrations._ledger_run import Settled
    from roost.migrations._states import MigrationStates
    from roost.postgres import Database, LockHolder

KEY = advisory_lock_key(ledger.LEDGER_LOCK)
RELEASE_SECONDS = 5.0

APPLICATION_NAME = "roost: migrating"
"""What others see a run doing between its steps; within one they see plugin and step."""


class RunEntry:
    """A run's session, and with it its right to write.

    Args:
        database: The runtime's database, if it has one.
        config: How often to connect, and how long to wait.
        services: The names of the services that take part.
        wants_lock: Services that may only run while the run holds the lock.
        wish: For each plugin the digest that leaves nothing to do; None where only a run can tell.
        states: Where each service's state is kept.
        emit: Where events go.
        wants: Whether anybody listens to a type of events.

    Attributes:
        run_id: The run's id in the ledger; None before it is opened.
        number: The run's number.
        numbers: The numbers of all runs that were opened for this one, one for each connection.
        waited: Seconds spent waiting for others.
        is_alone_in_ledger: Whether the ledger was made by this run, which has held the lock ever since: nobody else has written into it.
        wait: The patience between two steps, where a pooler lets no run hold the lock.
    """

    def __init__(
        self,
        *,
        database: Database | None,
        config: MigrationConfig,
        services: tuple[str, ...],
        wants_lock: tuple[str, ...],
        wish: Mapping[str, str] | None,
        states: MigrationStates,
        emit: Callable[[object], None],
        wants: Callable[[type], bool],
    ) -> None:
        self._database = database
        self._config = config
        self._services = services
        self._wants_lock = wants_lock
        self._wish = wish
        self._states = states
        self._emit = emit
        self._wants = wants
        self._holder = HolderWatch(key=KEY, changed=lambda holder: emit(LockHolderSeen(holder=holder)))
        self._session: MigrationSession | None = None
        self._has_lock = False
        self._is_closed = False
        self._jitter = random.Random()  # noqa: S311 -- it spreads questions
        self.run_id: str | None = None
        self.number: int = 0
        self.numbers: set[int] = set()
        self.waited: float = 0.0
        self.is_alone_in_ledger: bool = False
        self.wait: TurnWait = TurnWait(
            timeout=config.run_lock_timeout,
            jitter=self._jitter,
            began=self._wait_began,
            ended=self._wait_ended,
            late=lambda waited: migration_lock_timeout(self.session, KEY, waited=waited),
            watching=self._watch_holder,
        )

    @property
    def session(self) -> MigrationSession:
        """The run's one session.

        Raises:
            NoDatabase: The runtime has no database.
        """
        if self._session is None:
            raise NoDatabase(services=("this migration service",))
        return self._session

    @property
    def has_session(self) -> bool:
        """Whether the run has a database at all."""
        return self._session is not None

    @property
    def is_broken(self) -> bool:
        """Whether the run's connection is gone, so that only a new one can go on."""
        return self._session is not None and not self._session.is_open

    async def begin(self) -> bool:
        """Connect, look, and take the lock if there is something to do.

        Returns:
            False when what is settled already satisfies this run: no lock is held then.

        Raises:
            DatabaseUnreachable: Nobody answers.
            PoolerInTheWay: A pooler answers.
            ReadOnlyServer: A standby answers, and there is something to do.
            MigrationLockTimeout: Another run kept its turn for too long.
            LedgerDenied: The role may not use the ledger.
            LedgerTooNew: The ledger belongs to a newer roost.
            SessionLost: The connection broke, as often as may be tried.
        """
        attempt = 1
        while True:
            try:
                return await self._begin_once()
            except Exception as error:
                # Nothing has been done that counts: who connects anew looks and asks for the lock anew.
                if not is_connection_lost(error) or self._session is None:
                    raise
                if attempt == self._config.max_retries:
                    raise self.lost(error, attempts=attempt) from error
                self.drop(error, attempt=attempt)
                attempt += 1

    async def _begin_once(self) -> bool:
        if self._database is None:
            return True
        self._has_lock = False
        self._session = await MigrationSession.open(
            self._database.migration_url,
            application_name=APPLICATION_NAME,
            attempts=self._config.max_retries,
            delay=self._config.retry_delay,
        )
        seen = await ledger.look(self._session)
        if self._is_satisfied(seen):
            return False
        self._refuse_standby()
        who = ledger_run.Who(
            run_id=str(uuid4()),
            host=socket.gethostname(),
            pid=os.getpid(),
            application_version=_own_version(),
            trace_id=run_trace_id.get(),
        )
        is_pooled = self._session.is_pooled(seen.backend_pid)
        entry = ledger_run.Entry(answer="pooled" if is_pooled else "unclear")
        if not is_pooled:
            entry = await ledger_run.enter(self._session, key=KEY, exists=seen.exists, who=who)
        if entry.answer == "pooled" or (entry.answer == "unclear" and self._session.is_pooled(await self._session.backend_pid())):
            self._session = await self._session.behind_pooler(
                application_name=APPLICATION_NAME,
                attempts=self._config.max_retries,
                delay=self._config.retry_delay,
            )
            self._refuse_standby()
        opened = entry.opened
        if self._session.shares_server_process:
            self._refuse_without_lock()
        elif entry.answer in ("opened", "granted"):
            self._has_lock = True
        elif not await self._take_lock(is_refused=entry.answer == "refused"):
            return False
        if opened is None:
            opened = await self._open_run(who, ledger_exists=seen.exists)
        self.run_id = who.run_id
        self.number, self.is_alone_in_ledger = opened.number, opened.is_ledger_new and not self._session.shares_server_process
        self.numbers.add(self.number)
        return True

    def _refuse_standby(self) -> None:
        if self.session.is_standby:
            raise ReadOnlyServer(location=self.session.url.location)

    async def _open_run(self, who: ledger_run.Who, *, ledger_exists: bool) -> ledger_run.OpenedRun:
        while True:
            try:
                opened = await ledger_run.open_run(self.session, key=KEY, exists=ledger_exists, who=who)
            except Exception as error:
                if sqlstate_of(error) != ledger.BUSY:
                    raise
            else:
                self.wait.over(acquired=True)
                return opened
            await self.wait.pause()

    def _refuse_without_lock(self) -> None:
        if self._wants_lock:
            reason = f"it shares server processes, so no lock outlives a transaction, and {', '.join(self._wants_lock)} would need one"
            raise PoolerInTheWay(location=self.session.url.location, reason=reason)

    def lost(self, error: BaseException, *, attempts: int) -> SessionLost:
        """Return what to raise when the connection broke too often."""
        return SessionLost(location=self.session.url.location, attempts=attempts, reason=str(error))

    def drop(self, error: BaseException, *, attempt: int) -> None:
        """Give up a connection that broke."""
        self.abandon()
        self._emit(SessionReopened(attempt=attempt, error=error))

    def closing(self, settled: Mapping[str, Settled]) -> Closing | None:
        """Return what closes the run in the message of its last steps; None where nothing may share a message with them.

        Args:
            settled: What each plugin is settled on that is satisfied then.
        """
        if self.session.shares_server_process:
            return None
        text = ledger_run.closing(self.session, number=self.number, key=KEY, settled=settled)
        return Closing(text=text, done=self._note_closed)

    def _note_closed(self) -> None:
        self._is_closed = True

    async def end(self, settled: Mapping[str, Settled]) -> None:
        """Settle what is satisfied, close the run and give the lock back, also while being cancelled.

        A connection that breaks here, or another run that is at work for too long, takes nothing with it but the note of what is settled:
        every step's record is committed, and the next start finds that out under the lock.

        Args:
            settled: What each satisfied plugin is settled on.

        Raises:
            Exception: As the driver raises it.
        """
        if self._session is None:
            return
        try:
            if self._session.is_open and not self._is_closed:
                with anyio.move_on_after(RELEASE_SECONDS, shield=True):
                    if self.run_id is not None:
                        await self._close(settled)
                    elif self._has_lock:
                        await ledger_run.release(self._session, key=KEY)
        except MigrationLockTimeout:
            pass  # behind a pooler, where others were at work all the time
        except Exception as error:
            if not is_connection_lost(error) and sqlstate_of(error) != ledger.LOCK_LOST:
                raise
        finally:
            self.wait.over(acquired=False)
            self._session.terminate()

    async def _close(self, settled: Mapping[str, Settled]) -> None:
        while True:
            try:
                await ledger_run.close_run(self.session, number=self.number, key=KEY, settled=settled)
            except Exception as error:
                if sqlstate_of(error) != ledger.BUSY:
                    raise
            else:
                self.wait.over(acquired=True)
                return
            await self.wait.pause()

    def abandon(self) -> None:
        """Drop the connection at once, and with it the lock and what is in hand."""
        if self._session is not None:
            self._session.terminate()

    def _is_satisfied(self, seen: ledger.Look) -> bool:
        wish = self._wish
        return wish is not None and all(seen.settled.get(plugin) == digest for plugin, digest in wish.items())

    async def _take_lock(self, *, is_refused: bool) -> bool:
        started = time.monotonic()
        told = False

        def waiting(holder: LockHolder | None) -> None:
            nonlocal told
            told = True
            self._wait_began(holder)

        async def satisfied() -> bool:
            return self._is_satisfied(await ledger.look(self.session))

        acquired, failure = False, None
        try:
            acquired = self._has_lock = await lock_or_satisfied(
                self.session,
                KEY,
                is_refused=is_refused,
                timeout=self._config.run_lock_timeout,
                satisfied=satisfied,
                waiting=waiting,
                watching=self._watch_holder,
                jitter=self._jitter,
            )
            # Who had to wait may find that the other run did it all.
            if acquired and told and await satisfied():
                acquired = False
        except BaseException as error:
            failure = error
            if isinstance(error, MigrationLockTimeout):
                await tell_run(self.session, error)
            raise
        finally:
            took = time.monotonic() - started
            if told:
                self._wait_ended(acquired, took, failure)
        return acquired

    def _wait_began(self, holder: LockHolder | None = None) -> None:
        for service in self._services:
            if self._states.states.get(service) not in ("running", "completed", "ahead"):
                self._states.set(service, "waiting")
        self._emit(LockWaitStarted(holder=holder.application_name if holder else None))

    async def _watch_holder(self) -> None:
        if self._wants(LockHolderSeen):
            await self._holder.look(self.session)

    def _wait_ended(self, acquired: bool, took: float, error: BaseException | None = None) -> None:  # noqa: FBT001 -- a callback
        self.waited += took
        self._emit(LockWaitFinished(acquired=acquired, duration=took, error=error))


@cache
def _own_version() -> str:
    try:
        return version("roost")
    except PackageNotFoundError:  # used from a source tree that was never installed
        return "unknown"
