"""Puts a runtime's life through every order of calls, many times, and sees that nothing is left behind."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from roost.errors import DuplicatePlugin, RuntimeBusy, RuntimeFault
from roost.runtime import Plugin, Runtime, Service

Order = Callable[[Runtime], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StressReport:
    """What was done: how many rounds of each order of calls."""

    rounds: int
    orders: dict[str, int]


class LeftBehind(AssertionError):  # noqa: N818 -- named by what happened, as roost's own errors
    """Something was left after a round: a task, or a service that is not stopped."""


async def stress_lifecycle(make_runtime: Callable[[], Runtime], *, rounds: int = 1000, seed: int = 0) -> StressReport:
    """Start and stop runtimes in all orders of calls, at once and one after another.

    Args:
        make_runtime: Makes a runtime that is not started. It is given a further service that fails in some rounds.
        rounds: How many orders are tried; each kind about as often as the others.
        seed: Chooses the orders; the same seed, the same rounds.

    Returns:
        What was done.

    Raises:
        LeftBehind: After a round a task is left, or a service is not stopped.
        Exception: What a start or stop raised that no order asks for.
    """
    chance = random.Random(seed)  # noqa: S311 -- orders to try, no secrets
    done = dict.fromkeys(ORDERS, 0)
    for number in range(rounds):
        name = chance.choice(list(ORDERS))
        before = asyncio.all_tasks()
        runtime = make_runtime()
        await ORDERS[name](runtime)
        await runtime.stop()
        _see_to_it(runtime, before, f"round {number}, {name}")
        done[name] += 1
    return StressReport(rounds=rounds, orders=done)


def _see_to_it(runtime: Runtime, before: set[asyncio.Task[object]], where: str) -> None:
    left = [_described(task) for task in asyncio.all_tasks() - before if not task.done()]
    up = [unit.name for unit in runtime.status() if unit.state in ("waiting", "starting", "running", "stopping", "restarting")]
    if left or up:
        told = [f"tasks that a service started otherwise than by self.create_task: {', '.join(left)}"] if left else []
        told += [f"services that are not stopped: {', '.join(up)}"] if up else []
        raise LeftBehind(f"{where}: {'; '.join(told)}")


def _described(task: asyncio.Task[object]) -> str:
    frames = task.get_stack(limit=1)
    place = f" at {frames[0].f_code.co_filename}:{frames[0].f_lineno}" if frames else ""
    return f"{task.get_name()} ({getattr(task.get_coro(), '__qualname__', task.get_coro())}{place})"


async def _twice(runtime: Runtime) -> None:
    await runtime.start()
    await runtime.start()
    await runtime.stop()
    await runtime.stop()


async def _stop_first(runtime: Runtime) -> None:
    await runtime.stop()
    await runtime.start()


async def _again(runtime: Runtime) -> None:
    for _ in range(2):
        async with runtime:
            pass


async def _stop_while_starting(runtime: Runtime) -> None:
    start = asyncio.create_task(runtime.start())
    await _turns(1)
    await runtime.stop()
    await _ended(start)


async def _cancel_while_starting(runtime: Runtime) -> None:
    start = asyncio.create_task(runtime.start())
    await _turns(2)
    start.cancel()
    await _ended(start)


async def _all_at_once(runtime: Runtime) -> None:
    calls = [asyncio.create_task(call()) for _ in range(5) for call in (runtime.start, runtime.stop, runtime.start)]
    for call in calls:
        await _ended(call)


async def _after_a_failed_start(runtime: Runtime) -> None:
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
    "start and stop at once": _all_at_once,
    "start after a failed start": _after_a_failed_start,
}
