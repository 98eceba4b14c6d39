"""What can be tried on the reference plan: each case has a name, and a coroutine that tries it on a database of its own."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit, urlunsplit

import anyio
import asyncpg

from roost.postgres import quote_identifier
from roost.testing import Fault, FaultKind, FaultProxy, Stepper, WireMessage, faults_at_every_message, try_faults
from tests.crash import reference_plan as plan

Try = Callable[[str], Awaitable[str]]
PAIRS: tuple[tuple[FaultKind, FaultKind], ...] = (("reset", "reset"), ("swallow", "cut"), ("reset", "swallow"))
WAYS_TO_CANCEL = ("task", "timeout", "anyio scope")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Something that is tried.

    Attributes:
        name: What it is; the same in every run with the same plan.
        attempt: Tries it on an empty database, and returns what came of it; ``ok`` is in it where all is well.
    """

    name: str
    attempt: Try


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What a run without faults is like.

    Attributes:
        messages: What went over its line.
        catalogue: What it made of the database.
        suspensions: How often its coroutine waited.
    """

    messages: tuple[WireMessage, ...]
    catalogue: list[str]
    suspensions: int


class Server:
    """A server on which each case gets a database of its own.

    Args:
        url: The URL of a database on it from which others may be created.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._numbers = itertools.count(1)

    @contextlib.asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        """Provide the URL of an empty database, which is dropped afterwards."""
        name = f"crash_{os.getpid()}_{next(self._numbers)}"
        await self._execute(f"CREATE DATABASE {quote_identifier(name)} TEMPLATE template0")
        try:
            yield urlunsplit(urlsplit(self._url)._replace(path=f"/{name}"))
        finally:
            await self._execute(f"DROP DATABASE {quote_identifier(name)} WITH (FORCE)")

    async def attempt(self, case: Case) -> str:
        """Try a case, and return what came of it: it ends with ``ok`` where all is well."""
        async with self.database() as url:
            try:
                return await case.attempt(url)
            except Exception as error:  # noqa: BLE001 -- it is a finding as well
                return f"raised {type(error).__name__}: {error}"

    async def baseline(self) -> Baseline:
        """Run the plan without faults."""
        async with self.database() as wire_url, self.database() as plain_url:
            return await baseline(wire_url, plain_url)

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self._url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


async def baseline(wire_url: str, plain_url: str) -> Baseline:
    """Run the plan without faults, on two empty databases: through the proxy, and step by step.

    Raises:
        AssertionError: Even so something is broken.
    """
    async with FaultProxy(wire_url) as proxy:
        await plan.migrate(proxy.url)
    catalogue = await plan.catalogue(wire_url)
    stepper = Stepper(plan.migrate(plain_url))
    await stepper
    for url in (wire_url, plain_url):
        broken = await plan.violations(url, expected=catalogue)
        assert broken == [], broken
    return Baseline(messages=tuple(proxy.messages), catalogue=catalogue, suspensions=stepper.suspensions)


def single_faults(base: Baseline) -> list[Case]:
    """Return each kind of fault at each message."""
    faults = faults_at_every_message(base.messages)
    cases = [Case(name=str(fault), attempt=partial(_wire, base, (fault,))) for fault in faults]
    return cases + [Case(name=f"terminate at #{one.number}", attempt=partial(_terminated, base, one.number)) for one in base.messages]


def double_faults(base: Baseline) -> list[Case]:
    """Return pairs of faults: the second strikes what the run does to recover from the first."""
    pairs = [
        (Fault(kind=first, at=one.number), Fault(kind=second, at=one.number + later))
        for one in base.messages
        for first, second in PAIRS
        for later in (5, 25, 60)
    ]
    return [Case(name=f"{one} + {two}", attempt=partial(_wire, base, (one, two))) for one, two in pairs]


def cancellations(base: Baseline) -> list[Case]:
    """Return a cancellation at each await, in each way."""
    return [
        Case(name=f"cancelled by {way} at await {number}", attempt=partial(_cancelled, base, way, number))
        for number in range(1, base.suspensions + 1)
        for way in WAYS_TO_CANCEL
    ]


async def _wire(base: Baseline, faults: Sequence[Fault], url: str) -> str:
    outcome = await try_faults(
        url,
        *faults,
        run=partial(plan.migrate_whole, look_at=url),
        recover=plan.migrate,
        check=partial(plan.violations, expected=base.catalogue),
    )
    return str(outcome)


async def _terminated(base: Baseline, number: int, url: str) -> str:
    async def terminate() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
        finally:
            connection.terminate()

    return await _wire(base, (Fault(kind="call", at=number, call=terminate, name="terminate"),), url)


async def _cancelled(base: Baseline, way: str, number: int, url: str) -> str:
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
                stepper = Stepper(plan.migrate(url), at=number, act=acts[way])
                await stepper
            if scope.cancelled_caught:
                ended = "cancelled"
    except asyncio.CancelledError:
        assert task.uncancel() == 0
        ended = "cancelled"
    except TimeoutError:
        ended = "cancelled"
    broken = [] if stepper.has_acted else [f"there is no await {number}"]
    broken += await plan.left_behind(url)
    await plan.migrate(url)
    broken += await plan.violations(url, expected=base.catalogue)
    return f"{ended}: {'; '.join(broken) or 'ok'}"
