"""Faults while declared schemas are brought about: on every line to either database, at each await, and in races."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial

import asyncpg

from roost.errors import RoostError
from roost.postgres import quote_identifier
from roost.testing import Fault, FaultProxy, Stepper, WireMessage, faults_at_every_message, try_faults
from tests.crash import declared_plan as plan
from tests.crash.cases import WAYS_TO_CANCEL, Case, Place, Server, cancelled_at

REPLICAS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredBaseline:
    """What bringing the second form about is like without faults.

    Attributes:
        messages: What went over its lines, to the database and to the scratch one.
        state: What it made of the database.
        suspensions: How often its coroutine waited.
    """

    messages: tuple[WireMessage, ...]
    state: list[str]
    suspensions: int


async def declared_baseline(server: Server) -> DeclaredBaseline:
    """Bring the second form about without faults, through a proxy and then step by step.

    Raises:
        AssertionError: The two came to something different, or left something behind.
    """
    async with _prepared(server) as wire, _prepared(server) as plain:
        async with FaultProxy(wire.url) as proxy:
            await plan.migrate(proxy.url)
        stepper = Stepper(plan.migrate(plain.url))
        await stepper
        found = await plan.state(wire.direct)
        for place in (wire, plain):
            broken = await plan.violations(place.direct, expected=found)
            assert broken == [], broken
        return DeclaredBaseline(messages=tuple(proxy.messages), state=found, suspensions=stepper.suspensions)


@contextlib.asynccontextmanager
async def _prepared(server: Server) -> AsyncIterator[Place]:
    async with server.place() as place:
        await plan.prepare(place.direct)
        yield place


async def declared_cases(server: Server, *, races: int) -> list[Case]:
    """Return all that is tried on declared schemas."""
    base = await declared_baseline(server)
    return [*declared_faults(base), *declared_cancellations(base), *declared_races(base, races)]


def declared_faults(base: DeclaredBaseline) -> list[Case]:
    """Return each kind of fault at each message, and the end of the server's processes there."""
    kind = "declared faults"
    wire = [
        Case(kind=kind, name=f"declared: {fault}", attempt=partial(_wire, base, fault)) for fault in faults_at_every_message(base.messages)
    ]
    return wire + [
        Case(kind=kind, name=f"declared: terminate at #{one.number}", attempt=partial(_terminated, base, one.number))
        for one in base.messages
    ]


def declared_cancellations(base: DeclaredBaseline) -> list[Case]:
    """Return a cancellation at each await, in each way."""
    return [
        Case(
            kind="declared cancellations",
            name=f"declared: cancelled by {way} at await {number}",
            attempt=partial(_cancelled, base, way, number),
        )
        for number in range(1, base.suspensions + 1)
        for way in WAYS_TO_CANCEL
    ]


def declared_races(base: DeclaredBaseline, count: int) -> list[Case]:
    """Return races of replicas, the line of one of which breaks somewhere."""
    step = max(1, len(base.messages) // count)
    return [
        Case(kind="declared races", name=f"declared: race, reset at #{number}", attempt=partial(_race, base, number))
        for number in range(1, len(base.messages), step)
    ][:count]


async def _wire(base: DeclaredBaseline, fault: Fault, place: Place) -> str:
    await plan.prepare(place.direct)
    async with _scratches_dropped(place):
        outcome = await try_faults(
            place.url,
            fault,
            run=plan.migrate,
            recover=lambda _: plan.migrate(place.url),
            check=lambda _: plan.violations(place.direct, expected=base.state),
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
        ended, has_acted = await cancelled_at(plan.migrate(place.url), way=way, number=number)
        # How often it waits depends on how long the server takes: one more or less is no finding.
        at = "" if has_acted else "[never] "
        await plan.migrate(place.url)
        broken = await plan.violations(place.direct, expected=base.state)
    return f"{at}{ended}: {'; '.join(broken) or 'ok'}"


async def _race(base: DeclaredBaseline, number: int, place: Place) -> str:
    await plan.prepare(place.direct)
    async with _scratches_dropped(place):
        async with FaultProxy(place.url, Fault(kind="reset", at=number)) as proxy:
            lines = [proxy.url, *[place.url] * (REPLICAS - 1)]
            ended = await asyncio.gather(*map(plan.migrate, lines), return_exceptions=True)
        broken = [f"a replica raised {error!r}" for error in ended[1:] if isinstance(error, BaseException)]
        if isinstance(ended[0], BaseException) and not isinstance(ended[0], RoostError):
            broken.append(f"the faulty line raised {ended[0]!r}")
        broken += await plan.violations(place.direct, expected=base.state)
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
