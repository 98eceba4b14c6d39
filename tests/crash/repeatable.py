"""Faults while repeatable steps run again: on the wire, at each await, in each wait for others, and in races; there is no way back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

from roost.errors import SessionLost
from roost.testing import Fault, FaultProxy, Stepper, WireMessage, try_faults
from tests.crash import repeatable_plan as plan
from tests.crash.cases import Case, Place, Server, cancellation_cases, cancelled_at, fault_cases
from tests.crash.waits import BOUND, ENDS, IN_A_WAIT, End, begin_process, end_wait, failure_of, has_come_to, hindered, terminate

REPLICAS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatableBaseline:
    """What bringing the second form about is like without faults.

    Attributes:
        line: How kinds and names of cases on this line begin.
        messages: What went over its line.
        state: What it made of the database.
        suspensions: How often its coroutine waited.
    """

    line: str
    messages: tuple[WireMessage, ...]
    state: list[str]
    suspensions: int

    @property
    def name(self) -> str:
        """How kinds and names of cases begin."""
        return f"{self.line}repeatable"

    async def broken(self, place: Place) -> list[str]:
        """Return what is broken at the end."""
        return await plan.violations(place.direct, expected=self.state, is_pooled=place.is_pooled)


async def repeatable_baseline(server: Server) -> RepeatableBaseline:
    """Bring the second form about without faults, through a proxy and then step by step.

    Raises:
        AssertionError: The two came to something different, or left something behind.
    """
    async with server.place() as wire, server.place() as plain:
        for place in (wire, plain):
            await plan.prepare(place.direct)
        async with FaultProxy(wire.url) as proxy:
            await plan.migrate(proxy.url)
        stepper = Stepper(plan.migrate(plain.url))
        await stepper
        base = RepeatableBaseline(
            line="pooled " if wire.is_pooled else "",
            messages=tuple(proxy.messages),
            state=await plan.state(wire.direct),
            suspensions=stepper.suspensions,
        )
        for place in (wire, plain):
            broken = await base.broken(place)
            assert broken == [], broken
    return base


async def repeatable_cases(server: Server, *, races: int) -> list[Case]:
    """Return all that is tried on repeatable steps."""
    base = await repeatable_baseline(server)
    return [*repeatable_faults(base), *repeatable_cancellations(base), *repeatable_waits(base), *repeatable_races(base, races)]


def repeatable_faults(base: RepeatableBaseline) -> list[Case]:
    """Return each kind of fault at each message, and the end of the server's processes there."""
    kind, prefix = f"{base.name} faults", f"{base.name}: "
    return fault_cases(kind, prefix, base.messages, wire=partial(_wire, base), terminated=partial(_terminated, base))


def repeatable_cancellations(base: RepeatableBaseline) -> list[Case]:
    """Return a cancellation at each await, in each way."""
    kind, prefix = f"{base.name} cancellations", f"{base.name}: "
    return cancellation_cases(kind, prefix, base.suspensions, cancelled=partial(_cancelled, base))


def repeatable_waits(base: RepeatableBaseline) -> list[Case]:
    """Return each step that comes upon somebody in its way, and each end that it comes to in its wait: those before it are committed."""
    return [
        Case(kind=f"{base.name} waits", name=f"{base.name}: {step} {end} in its wait", attempt=partial(_in_wait, base, step, end))
        for step in plan.DUE
        for end in ENDS
    ]


def repeatable_races(base: RepeatableBaseline, count: int) -> list[Case]:
    """Return races of replicas, the line of one of which breaks somewhere; in every other one nothing but repeatable steps is due."""
    step = max(1, len(base.messages) // count)
    return [
        Case(
            kind=f"{base.name} races",
            name=f"{base.name}: race{'' if index % 2 else ', labelled'}, reset at #{number}",
            attempt=partial(_race, base, number, index % 2 == 0),
        )
        for index, number in enumerate(range(1, len(base.messages), step))
    ][:count]


async def _wire(base: RepeatableBaseline, fault: Fault, place: Place) -> str:
    await plan.prepare(place.direct)
    outcome = await try_faults(
        place.url, fault, run=plan.migrate, recover=lambda _: plan.migrate(place.url), check=lambda _: base.broken(place)
    )
    return str(outcome)


async def _terminated(base: RepeatableBaseline, number: int, place: Place) -> str:
    return await _wire(base, Fault(kind="call", at=number, call=partial(terminate, place.direct), name="terminate"), place)


async def _cancelled(base: RepeatableBaseline, way: str, number: int, place: Place) -> str:
    await plan.prepare(place.direct)
    ended, has_acted = await cancelled_at(plan.migrate(place.url), way=way, number=number)
    at = "" if has_acted else "[never] "
    await plan.migrate(place.url)
    return f"{at}{ended}: {'; '.join(await base.broken(place)) or 'ok'}"


async def _in_wait(base: RepeatableBaseline, step: str, end: End, place: Place) -> str:
    await plan.prepare(place.direct)
    async with hindered(place.direct, f"SELECT FROM counts WHERE step = '{step}' FOR UPDATE"):
        process = await begin_process("repeatable_plan.migrate(sys.argv[1])", place.url)
        waits = await has_come_to(place.direct, IN_A_WAIT, process)
        if waits:
            await end_wait(place.direct, process, end)
    broken = await failure_of(process, end if waits else None)
    await asyncio.wait_for(asyncio.ensure_future(plan.migrate(place.url)), BOUND)
    broken += await base.broken(place)
    return f"[{'in its wait' if waits else 'never'}] {'; '.join(broken) or 'ok'}"


async def _race(base: RepeatableBaseline, number: int, is_labelled: bool, place: Place) -> str:  # noqa: FBT001 -- a part of the case
    await plan.prepare(place.direct, is_labelled=is_labelled)
    async with FaultProxy(place.url, Fault(kind="reset", at=number)) as proxy:
        lines = [proxy.url, *[place.url] * (REPLICAS - 1)]
        ended = await asyncio.gather(*map(plan.migrate, lines), return_exceptions=True)
    broken = [
        f"replica {replica} raised {error!r}"
        for replica, error in enumerate(ended)
        if isinstance(error, BaseException) and not (replica == 0 and isinstance(error, SessionLost))
    ]
    broken += await base.broken(place)
    return "; ".join(broken) or "ok"
