"""What can be tried on the reference plan: each case has a name, and a coroutine that tries it on a database of its own."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import anyio
import asyncpg

from roost.postgres import quote_identifier
from roost.testing import Fault, FaultKind, FaultProxy, Stepper, WireMessage, faults_at_every_message, try_faults
from tests.crash import reference_plan as plan

Try = Callable[["Place"], Awaitable[str]]
PAIRS: tuple[tuple[FaultKind, FaultKind], ...] = (("reset", "reset"), ("swallow", "cut"), ("reset", "swallow"))
WAYS_TO_CANCEL = ("task", "timeout", "anyio scope")


NO_SUCH_KIND = 2
"""The exit code where a kind is named that there are no cases of, so that nobody takes it for a success, or for a bug that was caught."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An empty database, and two lines to it.

    Attributes:
        url: The line that runs take, directly or by a pooler.
        direct: The server's own address, from which the results are looked at.
        is_pooled: Whether these are two.
    """

    url: str
    direct: str
    is_pooled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Something that is tried.

    Attributes:
        kind: What sort of thing it is.
        name: What it is; the same in every run with the same plan.
        attempt: Tries it on an empty database, and returns what came of it; it ends with ``ok`` where all is well.
    """

    kind: str
    name: str
    attempt: Try


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What a run without faults is like.

    Attributes:
        line: How names of cases on this line begin.
        messages: What went over its line.
        catalogue: What it made of the database.
        suspensions: How often its coroutine waited.
    """

    line: str
    messages: tuple[WireMessage, ...]
    catalogue: list[str]
    suspensions: int


class Server:
    """A server on which each case gets a database of its own.

    Args:
        url: The URL of a database on it from which others may be created.
        pooler: The URL of any database through a pooler in front of it; None tries the direct line.
    """

    def __init__(self, url: str, *, pooler: str | None = None) -> None:
        self._url = url
        self._pooler = pooler
        self._numbers = itertools.count(1)

    @contextlib.asynccontextmanager
    async def place(self) -> AsyncIterator[Place]:
        """Provide an empty database, which is dropped afterwards."""
        name = f"crash_{os.getpid()}_{next(self._numbers)}"
        await self._execute(f"CREATE DATABASE {quote_identifier(name)} TEMPLATE template0")
        direct = _with_database(self._url, name)
        try:
            yield Place(
                url=direct if self._pooler is None else _with_database(self._pooler, name),
                direct=direct,
                is_pooled=self._pooler is not None,
            )
        finally:
            await self._execute(f"DROP DATABASE {quote_identifier(name)} WITH (FORCE)")

    async def attempt(self, case: Case) -> str:
        """Try a case, and return what came of it: it ends with ``ok`` where all is well."""
        async with self.place() as place:
            try:
                return await case.attempt(place)
            except Exception as error:  # noqa: BLE001 -- it is a finding as well
                return f"raised {type(error).__name__}: {error}"

    async def baseline(self) -> Baseline:
        """Run the plan without faults, through a proxy and then step by step.

        Raises:
            AssertionError: Even so something is broken.
        """
        async with self.place() as wire, self.place() as plain:
            async with FaultProxy(wire.url) as proxy:
                await plan.migrate(proxy.url)
            catalogue = await plan.catalogue(wire.direct)
            stepper = Stepper(plan.migrate(plain.url))
            await stepper
            for place in (wire, plain):
                broken = await plan.violations(place.direct, expected=catalogue, is_pooled=place.is_pooled)
                assert broken == [], broken
        line = "" if self._pooler is None else "pooled "
        return Baseline(line=line, messages=tuple(proxy.messages), catalogue=catalogue, suspensions=stepper.suspensions)

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self._url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


def _with_database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def fault_cases(
    kind: str,
    prefix: str,
    messages: Sequence[WireMessage],
    *,
    wire: Callable[[Fault, Place], Awaitable[str]],
    terminated: Callable[[int, Place], Awaitable[str]],
) -> list[Case]:
    """Return each kind of fault at each message, and the end of the server's processes there.

    Args:
        kind: Their kind.
        prefix: How their names begin.
        messages: What went over the lines of a run without faults.
        wire: Tries a fault.
        terminated: Ends the server's processes at the message of that number.
    """
    faults = [Case(kind=kind, name=f"{prefix}{fault}", attempt=partial(wire, fault)) for fault in faults_at_every_message(messages)]
    return faults + [
        Case(kind=kind, name=f"{prefix}terminate at #{one.number}", attempt=partial(terminated, one.number)) for one in messages
    ]


def cancellation_cases(kind: str, prefix: str, suspensions: int, *, cancelled: Callable[[str, int, Place], Awaitable[str]]) -> list[Case]:
    """Return a cancellation at each await, in each way.

    Args:
        kind: Their kind.
        prefix: How their names begin.
        suspensions: How often a run without faults waited.
        cancelled: Tries one of the `WAYS_TO_CANCEL` at the await of that number.
    """
    return [
        Case(kind=kind, name=f"{prefix}cancelled by {way} at await {number}", attempt=partial(cancelled, way, number))
        for number in range(1, suspensions + 1)
        for way in WAYS_TO_CANCEL
    ]


def single_faults(base: Baseline) -> list[Case]:
    """Return each kind of fault at each message."""

    async def wire(fault: Fault, place: Place) -> str:
        return await _wire(base, (fault,), place)

    return fault_cases(f"{base.line}faults", base.line, base.messages, wire=wire, terminated=partial(_terminated, base))


def double_faults(base: Baseline) -> list[Case]:
    """Return pairs of faults: the second strikes what the run does to recover from the first."""
    pairs = [
        (Fault(kind=first, at=one.number), Fault(kind=second, at=one.number + later))
        for one in base.messages
        for first, second in PAIRS
        for later in (5, 25, 60)
    ]
    return [
        Case(kind=f"{base.line}double faults", name=f"{base.line}{one} + {two}", attempt=partial(_wire, base, (one, two)))
        for one, two in pairs
    ]


def cancellations(base: Baseline) -> list[Case]:
    """Return a cancellation at each await, in each way."""
    return cancellation_cases(f"{base.line}cancellations", base.line, base.suspensions, cancelled=partial(_cancelled, base))


async def _wire(base: Baseline, faults: Sequence[Fault], place: Place) -> str:
    outcome = await try_faults(
        place.url,
        *faults,
        run=partial(plan.migrate_whole, look_at=place.direct),
        recover=lambda _: plan.migrate(place.url),
        check=lambda _: plan.violations(place.direct, expected=base.catalogue, is_pooled=place.is_pooled),
    )
    return str(outcome)


async def _terminated(base: Baseline, number: int, place: Place) -> str:
    async def terminate() -> None:
        connection = await asyncpg.connect(place.direct)
        try:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
        finally:
            connection.terminate()

    return await _wire(base, (Fault(kind="call", at=number, call=terminate, name="terminate"),), place)


async def cancelled_at(run: Coroutine[Any, Any, object], *, way: str, number: int) -> tuple[str, bool]:
    """Cancel a run at one of its awaits.

    Args:
        run: What is run.
        way: How, one of `WAYS_TO_CANCEL`.
        number: At which await, from 1.

    Returns:
        Whether it was ``"cancelled"`` or ``"returned"``, and whether it came to that await.
    """
    ended = "returned"
    task = asyncio.current_task()
    assert task is not None
    try:
        async with asyncio.timeout(None) as deadline:
            with anyio.CancelScope() as scope:
                acts: dict[str, Callable[[], object]] = {
                    "task": task.cancel,
                    "timeout": partial(deadline.reschedule, 0.0),
                    "anyio scope": scope.cancel,
                }
                stepper = Stepper(run, at=number, act=acts[way])
                await stepper
            if scope.cancelled_caught:
                ended = "cancelled"
    except asyncio.CancelledError:
        assert task.uncancel() == 0
        ended = "cancelled"
    except TimeoutError:
        ended = "cancelled"
    return ended, stepper.has_acted


async def _cancelled(base: Baseline, way: str, number: int, place: Place) -> str:
    ended, has_acted = await cancelled_at(plan.migrate(place.url), way=way, number=number)
    broken = [] if has_acted else [f"there is no await {number}"]
    if ended == "returned":
        broken += await plan.not_whole(place.direct)
    broken += await plan.left_behind(place.direct, is_pooled=place.is_pooled)
    await plan.migrate(place.url)
    broken += await plan.violations(place.direct, expected=base.catalogue, is_pooled=place.is_pooled)
    return f"{ended}: {'; '.join(broken) or 'ok'}"
