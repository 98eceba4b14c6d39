"""Faults while declared schemas are brought about: on every line to either database, at each await, and in races."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

import asyncpg

from roost.errors import RoostError
from roost.postgres import quote_identifier
from roost.testing import Fault, FaultProxy, Stepper, WireMessage, try_faults
from tests.crash import declared_plan as plan
from tests.crash.cases import Case, Place, Server, cancellation_cases, cancelled_at, fault_cases
from tests.crash.waits import BOUND, ENDS, IN_A_WAIT, End, begin_process, end_wait, failure_of, has_come_to, hindered

REPLICAS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredBaseline:
    """What bringing the second form about is like without faults.

    Attributes:
        form: How tables are changed, one of `declared_plan.LARGE`.
        messages: What went over its lines, to the database and to the scratch one.
        state: What it made of the database.
        suspensions: How often its coroutine waited.
    """

    form: str
    messages: tuple[WireMessage, ...]
    state: list[str]
    suspensions: int

    @property
    def name(self) -> str:
        """How kinds and names of cases begin."""
        return "declared" if self.form == "plain" else f"declared {self.form}"

    def migrate(self, url: str) -> Coroutine[Any, Any, object]:
        """Bring the second form about."""
        return plan.migrate(url, form=self.form)

    async def broken(self, place: Place) -> list[str]:
        """Return what is broken at the end."""
        return await plan.violations(place.direct, expected=self.state, form=self.form)


async def declared_baseline(server: Server, *, form: str = "plain") -> DeclaredBaseline:
    """Bring the second form about without faults, through a proxy and then step by step.

    Raises:
        AssertionError: The two came to something different, or left something behind.
    """
    async with _prepared(server) as wire, _prepared(server) as plain:
        async with FaultProxy(wire.url) as proxy:
            await plan.migrate(proxy.url, form=form)
        stepper = Stepper(plan.migrate(plain.url, form=form))
        await stepper
        found = await plan.state(wire.direct, form=form)
        base = DeclaredBaseline(form=form, messages=tuple(proxy.messages), state=found, suspensions=stepper.suspensions)
        for place in (wire, plain):
            broken = await base.broken(place)
            assert broken == [], broken
        return base


@contextlib.asynccontextmanager
async def _prepared(server: Server) -> AsyncIterator[Place]:
    async with server.place() as place:
        await plan.prepare(place.direct)
        yield place


async def declared_cases(server: Server, *, races: int) -> list[Case]:
    """Return all that is tried on declared schemas."""
    bases = [await declared_baseline(server, form=form) for form in plan.LARGE]
    return [
        case
        for base in bases
        for case in (*declared_faults(base), *declared_cancellations(base), *declared_waits(base), *declared_races(base, races))
    ]


def declared_faults(base: DeclaredBaseline) -> list[Case]:
    """Return each kind of fault at each message, and the end of the server's processes there."""
    kind, prefix = f"{base.name} faults", f"{base.name}: "
    return fault_cases(kind, prefix, base.messages, wire=partial(_wire, base), terminated=partial(_terminated, base))


def declared_cancellations(base: DeclaredBaseline) -> list[Case]:
    """Return a cancellation at each await, in each way."""
    kind, prefix = f"{base.name} cancellations", f"{base.name}: "
    return cancellation_cases(kind, prefix, base.suspensions, cancelled=partial(_cancelled, base))


HINDRANCES = {
    "a snapshot": "SELECT 1",
    "a reader of notes": "SELECT FROM notes.notes",
    "a writer of tags": "INSERT INTO notes.tags VALUES (1, 'to go'); DELETE FROM notes.tags WHERE name = 'to go'",
    "a reader of entries": "SELECT FROM log.entries",
}
"""What an old transaction has done that is still open. A build waits for each, and what runs in a transaction for some."""


def declared_waits(base: DeclaredBaseline) -> list[Case]:
    """Return each hindrance, and each end that a process comes to in its first wait for it."""
    return [
        Case(
            kind=f"{base.name} waits",
            name=f"{base.name}: {end} while it waits for {hindrance}",
            attempt=partial(_in_wait, base, hindrance, end),
        )
        for hindrance in HINDRANCES
        for end in ENDS
    ]


def declared_races(base: DeclaredBaseline, count: int) -> list[Case]:
    """Return races of replicas, the line of one of which breaks somewhere."""
    step = max(1, len(base.messages) // count)
    return [
        Case(kind=f"{base.name} races", name=f"{base.name}: race, reset at #{number}", attempt=partial(_race, base, number))
        for number in range(1, len(base.messages), step)
    ][:count]


async def _wire(base: DeclaredBaseline, fault: Fault, place: Place) -> str:
    await plan.prepare(place.direct)
    async with _scratches_dropped(place):
        outcome = await try_faults(
            place.url,
            fault,
            run=base.migrate,
            recover=lambda _: base.migrate(place.url),
            check=lambda _: base.broken(place),
        )
    return str(outcome)


async def _terminated(base: DeclaredBaseline, number: int, place: Place) -> str:
    async def terminate() -> None:
        connection = await asyncpg.connect(place.direct)
        try:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend' "
                "AND (datname = current_database() OR starts_with(datname, 'roost_scratch_'))"
            )
        finally:
            connection.terminate()

    return await _wire(base, Fault(kind="call", at=number, call=terminate, name="terminate"), place)


async def _cancelled(base: DeclaredBaseline, way: str, number: int, place: Place) -> str:
    await plan.prepare(place.direct)
    async with _scratches_dropped(place):
        ended, has_acted = await cancelled_at(base.migrate(place.url), way=way, number=number)
        # How often it waits depends on how long the server takes: one more or less is no finding.
        at = "" if has_acted else "[never] "
        await base.migrate(place.url)
        broken = await base.broken(place)
    return f"{at}{ended}: {'; '.join(broken) or 'ok'}"


async def _in_wait(base: DeclaredBaseline, hindrance: str, end: End, place: Place) -> str:
    await plan.prepare(place.direct)
    async with _scratches_dropped(place):
        async with hindered(place.direct, HINDRANCES[hindrance]):
            process = await begin_process(f"declared_plan.migrate(sys.argv[1], form='{base.form}')", place.url)
            waits = await has_come_to(place.direct, IN_A_WAIT, process)
            if waits:
                await end_wait(place.direct, process, end)
        broken = await failure_of(process, end if waits else None)
        await asyncio.wait_for(asyncio.ensure_future(base.migrate(place.url)), BOUND)
        broken += await base.broken(place)
    return f"[{'in its wait' if waits else 'never'}] {'; '.join(broken) or 'ok'}"


async def _race(base: DeclaredBaseline, number: int, place: Place) -> str:
    await plan.prepare(place.direct)
    async with _scratches_dropped(place):
        async with FaultProxy(place.url, Fault(kind="reset", at=number)) as proxy:
            lines = [proxy.url, *[place.url] * (REPLICAS - 1)]
            ended = await asyncio.gather(*map(base.migrate, lines), return_exceptions=True)
        broken = [f"a replica raised {error!r}" for error in ended[1:] if isinstance(error, BaseException)]
        if isinstance(ended[0], BaseException) and not isinstance(ended[0], RoostError):
            broken.append(f"the faulty line raised {ended[0]!r}")
        broken += await base.broken(place)
    return "; ".join(broken) or "ok"


@contextlib.asynccontextmanager
async def _scratches_dropped(place: Place) -> AsyncIterator[None]:
    """Drop afterwards what a run that was broken off left: a later run with something to do would, and there is none here."""
    try:
        yield
    finally:
        connection = await asyncpg.connect(place.direct)
        try:
            for row in await connection.fetch("SELECT datname FROM pg_database WHERE starts_with(datname, 'roost_scratch_')"):
                await connection.execute(f"DROP DATABASE IF EXISTS {quote_identifier(row[0])} WITH (FORCE)")
        finally:
            await connection.close()
