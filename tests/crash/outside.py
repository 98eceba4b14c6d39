"""Faults while a step outside a transaction is on its way, there or back: on the wire, at each await, and in each wait for others."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

from roost.testing import Fault, FaultProxy, Stepper, WireMessage, try_faults
from tests.crash import outside_plan as plan
from tests.crash.cases import Case, Place, Server, cancellation_cases, cancelled_at, fault_cases
from tests.crash.reference_plan import NotWhole, left_behind
from tests.crash.waits import (
    BOUND,
    ENDS,
    IN_A_WAIT,
    IN_ANY_WAIT,
    NOBODY_AT_A_STEP,
    End,
    begin_process,
    end_wait,
    failure_of,
    has_come_to,
    hindered,
    terminate,
)
from tests.plugins.build import execute, query, until


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideBaseline:
    """What a way there, or back, is like without faults.

    Attributes:
        back: Which of them.
        messages: What went over its line.
        catalogue: What it made of the database.
        suspensions: How often its coroutine waited.
    """

    back: bool
    messages: tuple[WireMessage, ...]
    catalogue: list[str]
    suspensions: int

    @property
    def name(self) -> str:
        """How kinds and names of cases begin."""
        return "outside rollback" if self.back else "outside"

    async def prepare(self, place: Place) -> None:
        """Bring an empty database to where it begins."""
        if self.back:
            await plan.migrate(place.direct)

    def go(self, url: str) -> Coroutine[Any, Any, object]:
        """Take the way."""
        return plan.roll_back(url) if self.back else plan.migrate(url)

    async def broken(self, place: Place) -> list[str]:
        """Return what is broken at its end."""
        return await plan.violations(place.direct, expected=self.catalogue, back=self.back)


async def outside_baseline(server: Server, *, back: bool) -> OutsideBaseline:
    """Take the way without faults, through a proxy and then step by step.

    Raises:
        AssertionError: Even so something is broken.
    """
    async with server.place() as wire, server.place() as plain:
        base = OutsideBaseline(back=back, messages=(), catalogue=[], suspensions=0)
        for place in (wire, plain):
            await base.prepare(place)
        async with FaultProxy(wire.url) as proxy:
            await base.go(proxy.url)
        stepper = Stepper(base.go(plain.url))
        await stepper
        base = OutsideBaseline(
            back=back,
            messages=tuple(proxy.messages),
            catalogue=await plan.catalogue(wire.direct),
            suspensions=stepper.suspensions,
        )
        for place in (wire, plain):
            broken = await base.broken(place)
            assert broken == [], broken
    return base


async def outside_cases(server: Server) -> list[Case]:
    """Return all that is tried on steps outside of transactions."""
    cases: list[Case] = []
    for back in (False, True):
        base = await outside_baseline(server, back=back)
        cases += [*outside_faults(base), *outside_cancellations(base), *outside_waits(base)]
    return cases


def outside_faults(base: OutsideBaseline) -> list[Case]:
    """Return each kind of fault at each message, and the end of the server's processes there."""
    kind, prefix = f"{base.name} faults", f"{base.name}: "
    return fault_cases(kind, prefix, base.messages, wire=partial(_wire, base), terminated=partial(_terminated, base))


def outside_cancellations(base: OutsideBaseline) -> list[Case]:
    """Return a cancellation at each await, in each way."""
    kind, prefix = f"{base.name} cancellations", f"{base.name}: "
    return cancellation_cases(kind, prefix, base.suspensions, cancelled=partial(_cancelled, base))


HINDRANCES = {
    "a snapshot": "SELECT 1",
    "a writer": "INSERT INTO t VALUES (1000); DELETE FROM t WHERE x = 1000",
    "a reader of partitions": "SELECT FROM whole",
}
"""What an old transaction has done that is still open."""

REFUSED = """
CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE insufficient_privilege USING MESSAGE = 'it belongs to another role';
END $$;
CREATE EVENT TRIGGER refuse ON ddl_command_start WHEN TAG IN ('ALTER TABLE', 'DROP INDEX', 'REINDEX') EXECUTE FUNCTION refuse();
"""
"""Lets a run fail as the run of a role fails that owns nothing."""

BUILDS = {
    "one": ("one", "CREATE INDEX CONCURRENTLY one ON t (x)", 0),
    "several": ("two", "CREATE UNIQUE INDEX CONCURRENTLY two ON t ((x + 1)) INCLUDE (y) WHERE y IS NOT NULL", 2),
}
"""By step the index that it builds, how somebody else builds the same one, and how many statements come before that."""

BUILDERS_ENDS: tuple[End, ...] = ("killed", "cancelled", "terminated", "left alone")


def outside_waits(base: OutsideBaseline) -> list[Case]:
    """Return each step that comes upon each hindrance, or upon somebody who builds its index, and each end that it comes to in its wait."""
    kind = f"{base.name} waits"
    cases = [
        Case(
            kind=kind,
            name=f"{base.name}: {step} {end} while it waits for {hindrance}",
            attempt=partial(_in_wait, base, step, hindrance, end),
        )
        for step in ("one", "several", "rebuild", "detach")
        for hindrance in HINDRANCES
        for end in ENDS
    ]
    cases += [
        Case(
            kind=kind,
            name=f"{base.name}: {step} killed while it waits for {hindrance}, then refused",
            attempt=partial(_in_wait, base, step, hindrance, "killed", is_refused=True),
        )
        for step in ("one", "several", "rebuild", "detach")
        for hindrance in ("a writer", "a reader of partitions")
    ]
    if base.back:
        return cases
    return cases + [
        Case(kind=kind, name=f"{base.name}: {step} {end} while another builds its index", attempt=partial(_beside_builder, base, step, end))
        for step in BUILDS
        for end in BUILDERS_ENDS
    ]


async def _wire(base: OutsideBaseline, fault: Fault, place: Place) -> str:
    await base.prepare(place)
    outcome = await try_faults(place.url, fault, run=base.go, recover=lambda _: base.go(place.url), check=lambda _: base.broken(place))
    return str(outcome)


async def _terminated(base: OutsideBaseline, number: int, place: Place) -> str:
    return await _wire(base, Fault(kind="call", at=number, call=partial(terminate, place.direct), name="terminate"), place)


async def _cancelled(base: OutsideBaseline, way: str, number: int, place: Place) -> str:
    await base.prepare(place)
    ended, has_acted = await cancelled_at(base.go(place.url), way=way, number=number)
    # How often it waits depends on how long the server takes: one more or less is no finding.
    at = "" if has_acted else "[never] "
    broken = [f"after two seconds: {one}" for one in await left_behind(place.direct) if "invalid index" not in one]
    await base.go(place.url)
    broken += await base.broken(place)
    return f"{at}{ended}: {'; '.join(broken) or 'ok'}"


async def _in_wait(base: OutsideBaseline, step: str, hindrance: str, end: End, place: Place, *, is_refused: bool = False) -> str:
    before = plan.STEPS[plan.STEPS.index(step) - 1]
    await plan.migrate(place.direct, until=None if base.back else before)
    if base.back:
        await plan.roll_back(place.direct, steps=len(plan.STEPS) - 1 - plan.STEPS.index(step))
    async with hindered(place.direct, HINDRANCES[hindrance]):
        process = await begin_process(f"outside_plan.{'roll_back' if base.back else 'migrate'}(sys.argv[1])", place.url)
        waits = await has_come_to(place.direct, IN_A_WAIT, process)
        if waits:
            await end_wait(place.direct, process, end)
        if is_refused:
            await until(place.direct, NOBODY_AT_A_STEP)
    broken = await failure_of(process, end if waits else None)
    if is_refused:
        await execute(place.direct, REFUSED)
        with contextlib.suppress(NotWhole):
            await asyncio.wait_for(asyncio.ensure_future(base.go(place.url)), BOUND)
        await execute(place.direct, "DROP EVENT TRIGGER refuse; DROP FUNCTION refuse")
    await asyncio.wait_for(asyncio.ensure_future(base.go(place.url)), BOUND)
    broken += await base.broken(place)
    return f"[{'in its wait' if waits else 'never'}] {'; '.join(broken) or 'ok'}"


async def _beside_builder(base: OutsideBaseline, step: str, end: End, place: Place) -> str:
    index, build, before = BUILDS[step]
    standing = f"SELECT oid FROM pg_class WHERE relname = '{index}'"
    begun = f"SELECT FROM roost.applied WHERE step = '{step}' AND statements_done = {before}"
    await plan.migrate(place.direct, until=plan.STEPS[plan.STEPS.index(step) - 1])
    async with hindered(place.direct, HINDRANCES["a snapshot"]):
        builder = asyncio.ensure_future(execute(place.direct, build))
        await until(place.direct, standing)
        built = await query(place.direct, standing)
        process = await begin_process(f"outside_plan.migrate(sys.argv[1], until='{step}')", place.url)
        waits = all([await has_come_to(place.direct, moment, process) for moment in (begun, IN_ANY_WAIT)])
        if waits:
            await end_wait(place.direct, process, end)
    (error,) = await asyncio.gather(builder, return_exceptions=True)
    broken = await failure_of(process, end if waits else None)
    await asyncio.wait_for(asyncio.ensure_future(plan.migrate(place.url, until=step)), BOUND)
    broken += [] if error is None else [f"the other's build raised {error!r}"]
    broken += [] if await query(place.direct, standing) == built else ["the index is not the one that the other has built"]
    # A later step rebuilds it.
    await asyncio.wait_for(asyncio.ensure_future(base.go(place.url)), BOUND)
    broken += await base.broken(place)
    return f"[{'beside the builder' if waits else 'never'}] {'; '.join(broken) or 'ok'}"
