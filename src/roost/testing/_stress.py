"""Puts a runtime's life through every order of calls, many times, and sees that nothing is left behind."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from roost.errors import DuplicatePlugin, RuntimeBusy, RuntimeFault
from roost.runtime import Plugin, Runtime, Service, ServiceStartFinished, ServiceStopStarted

Order = Callable[[Runtime, random.Random], Awaitable[None]]
MOST_TURNS = 15
"""So many turns of the event loop at most pass before a call is broken off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StressReport:
    """What was done: how many rounds of each order of calls."""

    rounds: int
    orders: dict[str, int]


class LeftBehind(AssertionError):  # noqa: N818 -- named by what happened, as roost's own errors
    """Something was left after a round: a task, or a service that is not stopped, or started twice."""


async def stress_lifecycle(make_runtime: Callable[[], Runtime], *, rounds: int = 1000, seed: int = 0) -> StressReport:
    """Start and stop runtimes in all orders of calls, at once and one after another.

    Args:
        make_runtime: Makes a runtime that is not started. It is given a further service that fails in some rounds.
        rounds: How many orders are tried; each kind about as often as the others.
        seed: Chooses the orders, and after how many turns of the event loop a call is broken off; the same seed, the same rounds.

    Returns:
        What was done.

    Raises:
        LeftBehind: After a round a task is left, or a service is not stopped, or one was started twice or stopped without a start.
        Exception: What a start or stop raised that no order asks for.
    """
    chance = random.Random(seed)  # noqa: S311 -- orders to try, no secrets
    done = dict.fromkeys(ORDERS, 0)
    for number in range(rounds):
        name = chance.choice(list(ORDERS))
        where = f"round {number}, {name}"
        before = asyncio.all_tasks()
        runtime = make_runtime()
        lives = _Lives(runtime, where)
        await ORDERS[name](runtime, chance)
        await runtime.stop()
        lives.see_to_it(before)
        done[name] += 1
    return StressReport(rounds=rounds, orders=done)


class _Lives:
    """How often each service of a runtime has started and stopped, by the runtime's events."""

    def __init__(self, runtime: Runtime, where: str) -> None:
        self._runtime = runtime
        self._where = where
        self._up: Counter[str] = Counter()
        self._wrong: list[str] = []
        runtime.events.subscribe(self._started, ServiceStartFinished)
        runtime.events.subscribe(self._stops, ServiceStopStarted)

    def see_to_it(self, before: set[asyncio.Task[object]]) -> None:
        """Look at what is left after a round."""
        told = self._wrong
        left = [_described(task) for task in asyncio.all_tasks() - before if not task.done()]
        if left:
            told.append(f"tasks that a service started otherwise than by self.create_task: {', '.join(left)}")
        up = [unit.name for unit in self._runtime.status() if unit.state not in ("new", "failed", "stopped", "abandoned")]
        up += [name for name, count in self._up.items() if count and name not in up]
        if up:
            told.append(f"services that are not stopped: {', '.join(up)}")
        if told:
            raise LeftBehind(f"{self._where}: {'; '.join(told)}")

    def _started(self, event: ServiceStartFinished) -> None:
        if event.error is None:
            self._up[event.service] += 1
            if self._up[event.service] > 1:
                self._wrong.append(f"{event.service} was started while it was up")

    def _stops(self, event: ServiceStopStarted) -> None:
        self._up[event.service] -= 1
        if self._up[event.service] < 0:
            self._wrong.append(f"{event.service} was stopped while it was not up")


def _described(task: asyncio.Task[object]) -> str:
    frames = task.get_stack(limit=1)
    place = f" at {frames[0].f_code.co_filename}:{frames[0].f_lineno}" if frames else ""
    return f"{task.get_name()} ({getattr(task.get_coro(), '__qualname__', task.get_coro())}{place})"


async def _twice(runtime: Runtime, _chance: random.Random) -> None:
    await runtime.start()
    await runtime.start()
    await runtime.stop()
    await runtime.stop()


async def _stop_first(runtime: Runtime, _chance: random.Random) -> None:
    await runtime.stop()
    await runtime.start()


async def _again(runtime: Runtime, _chance: random.Random) -> None:
    for _ in range(2):
        async with runtime:
            pass


async def _stop_while_starting(runtime: Runtime, chance: random.Random) -> None:
    start = asyncio.create_task(runtime.start())
    await _turns(chance.randrange(MOST_TURNS))
    await runtime.stop()
    await _ended(start)


async def _cancel_while_starting(runtime: Runtime, chance: random.Random) -> None:
    start = asyncio.create_task(runtime.start())
    await _turns(chance.randrange(MOST_TURNS))
    start.cancel()
    await _ended(start)


async def _start_while_stopping(runtime: Runtime, chance: random.Random) -> None:
    await runtime.start()
    stop = asyncio.create_task(runtime.stop())
    await _turns(chance.randrange(MOST_TURNS))
    await runtime.start()
    await _ended(stop)


async def _cancel_while_stopping(runtime: Runtime, chance: random.Random) -> None:
    await runtime.start()
    stop = asyncio.create_task(runtime.stop())
    await _turns(chance.randrange(MOST_TURNS))
    stop.cancel()
    await _ended(stop)


async def _all_at_once(runtime: Runtime, chance: random.Random) -> None:
    wishes = [call for _ in range(5) for call in (runtime.start, runtime.stop, runtime.start)]
    chance.shuffle(wishes)
    calls = []
    for wish in wishes:
        calls.append(asyncio.create_task(wish()))
        await _turns(chance.randrange(3))
    for call in calls:
        await _ended(call)


async def _after_a_failed_start(runtime: Runtime, _chance: random.Random) -> None:
    failing = _FailsOnce()
    try:
        await runtime.load_plugin(_plugin_of(failing))
    except DuplicatePlugin as error:
        raise LeftBehind("make_runtime must make a new runtime each time") from error
    try:
        await runtime.start()
    except RuntimeFault:
        pass
    else:
        raise LeftBehind("a start that must fail did not")
    await runtime.start()


class _FailsOnce(Service):
    """Fails at its first start."""

    service_name = "roost-stress-fails-once"

    def __init__(self) -> None:
        self.has_failed = False

    async def start(self) -> None:
        if not self.has_failed:
            self.has_failed = True
            raise RuntimeError("the stress kit's own fault")


def _plugin_of(service: Service) -> Plugin:
    return Plugin("roost-stress", services=[service])


async def _turns(count: int) -> None:
    """Let the loop go round a few times."""
    for _ in range(count):
        await asyncio.sleep(0)


async def _ended(task: asyncio.Task[None]) -> None:
    """Wait for a call that another one may have broken off."""
    await asyncio.wait({task})
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, RuntimeBusy):
        raise error


ORDERS: dict[str, Order] = {
    "start twice, stop twice": _twice,
    "stop before start": _stop_first,
    "start again after a stop": _again,
    "stop while starting": _stop_while_starting,
    "cancel while starting": _cancel_while_starting,
    "start while stopping": _start_while_stopping,
    "cancel while stopping": _cancel_while_stopping,
    "start and stop at once": _all_at_once,
    "start after a failed start": _after_a_failed_start,
}
