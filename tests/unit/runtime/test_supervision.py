from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest

from roost import Service
from roost.errors import RuntimeBusy, ServiceTaskCrashed
from roost.runtime import OnCrash, Restart, Runtime, ServiceCrashed, ServiceRestarted
from roost.runtime._crashes import CrashRecord
from tests.plugins.services import hang, in_virtual_time, leftover, runtime_of

AT_ONCE = Restart(at_most=3, per=60.0, delay=0.0)


class Fragile(Service):
    """Crashes as often as it is told to."""

    on_crash: ClassVar[OnCrash] = AT_ONCE

    def __init__(self) -> None:
        self.runs = 0
        self.crash = asyncio.Semaphore(0)

    async def run(self) -> None:
        self.runs += 1
        await self.crash.acquire()
        raise OSError(f"crash {self.runs}")


async def told(runtime: Runtime, kind: type, number: int) -> None:
    """Wait until the runtime has told of so many events of a kind."""
    enough = asyncio.Semaphore(0)
    unsubscribe = runtime.events.subscribe(lambda _event: enough.release(), kind)
    try:
        for _ in range(number):
            await enough.acquire()
    finally:
        unsubscribe()


@pytest.mark.parametrize(
    ("times", "decisions"),
    [
        ([0, 1, 2, 3], [0.5, 1.0, 2.0, "stop"]),
        ([0, 61, 122, 183], [0.5, 0.5, 0.5, 0.5]),
        ([0, 50, 61, 62, 63], [0.5, 1.0, 1.0, 2.0, "stop"]),
    ],
)
def test_waits_double_within_the_window(times: list[float], decisions: list[object]) -> None:
    """Crashes within the window are counted, waits double up to the longest, and one crash too many stops the runtime."""
    record = CrashRecord(Restart(at_most=3, per=60.0, delay=0.5))
    assert [record.decide(now) for now in times] == decisions
    longest = CrashRecord(Restart(at_most=9, delay=1.0, max_delay=3.0))
    assert [longest.decide(0.0) for _ in range(4)] == [1.0, 2.0, 3.0, 3.0]


@pytest.mark.parametrize("numbers", [{"at_most": -1}, {"per": 0.0}, {"delay": -0.1}])
def test_a_policy_that_is_none(numbers: dict[str, Any]) -> None:
    """Numbers below zero and an empty window are refused."""
    with pytest.raises(ValueError, match="below 0"):
        Restart(**numbers)


@pytest.mark.asyncio
async def test_restarted_as_often_as_allowed() -> None:
    """Three crashes are three restarts; the fourth stops the runtime and is raised."""
    seen: list[Any] = []
    with pytest.raises(ServiceTaskCrashed, match="crash 4"):
        async with runtime_of(Fragile) as runtime:
            runtime.events.subscribe(seen.append, ServiceCrashed, ServiceRestarted)
            fragile = runtime.get_service(Fragile)
            for _ in range(4):
                fragile.crash.release()
            await asyncio.Event().wait()
    assert fragile.runs == 4
    assert [getattr(event, "outcome", "restarted") for event in seen] == ["restart", "restarted"] * 3 + ["stop"]
    assert leftover() == []


@pytest.mark.asyncio
async def test_a_restarted_service_is_up() -> None:
    """Meanwhile the others run on, it counts as ready, and after it its state is running again."""
    async with runtime_of(Fragile) as runtime:
        fragile = runtime.get_service(Fragile)
        restarted = asyncio.create_task(told(runtime, ServiceRestarted, 1))
        fragile.crash.release()
        await restarted
        assert await runtime.ready(Fragile) is fragile
        assert [(unit.state, unit.error) for unit in runtime.status()] == [("running", None)]
    assert leftover() == []


@pytest.mark.asyncio
async def test_a_stop_does_not_wait_for_a_restart() -> None:
    """A service that waits for its restart is stopped at once."""

    class Slow(Fragile):
        on_crash = Restart(delay=3600.0, max_delay=3600.0)

    async with runtime_of(Slow) as runtime:
        crashed = asyncio.create_task(told(runtime, ServiceCrashed, 1))
        runtime.get_service(Slow).crash.release()
        await crashed
        await asyncio.wait({asyncio.create_task(runtime.ready(Slow))})
    assert leftover() == []


@pytest.mark.asyncio
async def test_a_service_that_may_be_missed_degrades() -> None:
    """Its crash is told, status names it, readiness stays, and the rest runs on and stops cleanly."""

    class Optional(Fragile):
        on_crash = "degrade"

    log: list[str] = []

    class Other(Service):
        async def stop(self) -> None:
            log.append("stopped")

    async with runtime_of(Optional, Other) as runtime:
        crashed = asyncio.create_task(told(runtime, ServiceCrashed, 1))
        runtime.get_service(Optional).crash.release()
        await crashed
        first, second = runtime.status()
        assert (first.state, (first.error or "").split(" (")[0], second.state) == ("degraded", "OSError: crash 1", "running")
        assert await runtime.ready(Optional) is runtime.get_service(Optional)
    assert log == ["stopped"]
    assert leftover() == []


@pytest.mark.asyncio
async def test_a_lifespan_is_entered_anew() -> None:
    """A lifespan whose body ends with an error is entered again; its end at the stop is clean."""
    log: list[str] = []
    again = asyncio.Event()

    class Held(Service):
        on_crash = AT_ONCE

        @asynccontextmanager
        async def lifespan(self) -> AsyncIterator[None]:
            log.append("enter")
            if log.count("enter") == 2:
                again.set()
            self.create_task(self.work())
            yield
            log.append("leave")

        async def work(self) -> None:
            if log.count("enter") == 1:
                raise OSError("work")

    async with runtime_of(Held):
        await again.wait()
    assert log == ["enter", "leave", "enter", "leave"]
    assert leftover() == []


class Host(Service):
    """Has tasks of its own."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.log: list[str] = []

    async def start(self) -> None:
        self.create_task(self.work(), name="work")
        self.create_task(self.short(), name="short")

    async def stop(self) -> None:
        self.log.append("stop")

    async def short(self) -> None:
        self.log.append("short")

    async def work(self) -> None:
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.log.append("cancelled")
            raise
        raise OSError("work")


@pytest.mark.asyncio
async def test_own_tasks_end_with_the_service() -> None:
    """They run beside it, are named after it, and are cancelled after its stop at the latest."""
    async with runtime_of(Host) as runtime:
        host = runtime.get_service(Host)
        while "short" not in host.log:
            await asyncio.wait([task for task in asyncio.all_tasks() if task.get_name() == "roost host.short"])
        assert "roost host.work" in leftover()
    assert host.log == ["short", "stop", "cancelled"]
    assert leftover() == []


@pytest.mark.asyncio
async def test_the_crash_of_an_own_task_is_the_services() -> None:
    """It stops the runtime like that of run()."""
    with pytest.raises(ServiceTaskCrashed, match="Service host crashed: OSError: work"):
        async with runtime_of(Host) as runtime:
            runtime.get_service(Host).go.set()
            await asyncio.Event().wait()
    assert leftover() == []


@pytest.mark.asyncio
async def test_own_tasks_need_a_started_service() -> None:
    """Before the start, after the stop, and without a runtime a task is refused, and nothing is left un-awaited."""
    host = Host()
    with pytest.raises(RuntimeBusy, match="no runtime has started"):
        host.create_task(host.short())
    runtime = Runtime(services=[host])
    async with runtime:
        pass
    with pytest.raises(RuntimeBusy, match="which is stopped"):
        host.create_task(host.short())


@in_virtual_time
async def test_a_task_that_hangs_at_the_stop_is_drawn() -> None:
    """A run() that does not obey is named with the line on which its own task stands."""

    class Stubborn(Service):
        stop_timeout = 0.05

        async def run(self) -> None:
            try:
                await hang(self)
            except asyncio.CancelledError:
                await self.linger()

        async def linger(self) -> None:
            await asyncio.get_running_loop().create_future()

    runtime = runtime_of(Stubborn)
    await runtime.start()
    with pytest.raises(Exception, match=r"in .*linger"):
        await runtime.stop()


@pytest.mark.asyncio
async def test_a_restart_is_a_whole_stop_and_start() -> None:
    """A service that starts its tasks in start() has them again after a restart, and its stop() was called between."""
    log: list[str] = []

    class Worker(Service):
        on_crash = AT_ONCE

        def __init__(self) -> None:
            self.crash = asyncio.Event()

        async def start(self) -> None:
            log.append("start")
            self.create_task(self.work(), name="work")

        async def stop(self) -> None:
            log.append("stop")

        async def work(self) -> None:
            await self.crash.wait()
            self.crash.clear()
            raise OSError("work")

    async with runtime_of(Worker) as runtime:
        restarted = asyncio.create_task(told(runtime, ServiceRestarted, 1))
        runtime.get_service(Worker).crash.set()
        await restarted
        assert log == ["start", "stop", "start"]
        assert "roost worker.work" in leftover()
    assert log == ["start", "stop", "start", "stop"]
    assert leftover() == []


@pytest.mark.parametrize("phase", ["start", "stop"])
@in_virtual_time
async def test_a_restart_that_fails_or_hangs_is_the_next_crash(phase: str) -> None:
    """A start that raises, or a stop that hangs past its time, counts as a crash; stop is not called again without a start."""
    log: list[str] = []

    class Worker(Service):
        on_crash = Restart(at_most=2, per=60.0, delay=0.0)
        stop_timeout = 0.01

        async def start(self) -> None:
            log.append("start")
            if phase == "start" and len(log) > 1:
                raise OSError("again")
            self.create_task(self.work())

        async def stop(self) -> None:
            log.append("stop")
            if phase == "stop" and log.count("stop") == 1:
                await hang(self)

        async def work(self) -> None:
            await asyncio.wait({asyncio.get_running_loop().create_future()}, timeout=0)
            raise OSError("work")

    outcomes: list[str] = []
    runtime = runtime_of(Worker)
    runtime.events.subscribe(lambda event: outcomes.append(event.outcome), ServiceCrashed)
    with pytest.raises(ServiceTaskCrashed):
        async with runtime:
            await asyncio.Event().wait()
    assert outcomes == ["restart", "restart", "stop"]
    expected = {"start": ["start", "stop", "start", "start"], "stop": ["start", "stop", "start", "stop"]}
    assert log == expected[phase]
    assert leftover() == []


@pytest.mark.asyncio
@pytest.mark.parametrize("policy", [AT_ONCE, "degrade"])
async def test_a_crash_before_the_end_of_the_start_is_dealt_with_after_it(policy: OnCrash) -> None:
    """Nothing is stopped or restarted beside a start in progress; after it the policy is heeded."""
    log: list[str] = []
    go_on = asyncio.Event()

    class Early(Service):
        on_crash = policy

        async def start(self) -> None:
            log.append("start")
            if len(log) == 1:
                self.create_task(self.work())
                await go_on.wait()
            log.append("started")

        async def stop(self) -> None:
            log.append("stop")

        async def work(self) -> None:
            asyncio.get_running_loop().call_later(0, go_on.set)
            raise OSError("early")

    runtime = runtime_of(Early)
    dealt_with = asyncio.create_task(told(runtime, ServiceCrashed if policy == "degrade" else ServiceRestarted, 1))
    async with runtime:
        await dealt_with
        assert runtime.status()[0].state == ("degraded" if policy == "degrade" else "running")
    assert log == ["start", "started", *([] if policy == "degrade" else ["stop", "start", "started"]), "stop"]
    assert leftover() == []
