"""Section K, first half: start, stop, faults, supervision and signals."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from roost import Runtime, Service
from roost.errors import DependencyCycle, RuntimeBusy, RuntimeStopFailed, ServiceHung, ServiceStartFailed, ServiceTaskCrashed
from roost.runtime import Restart, ServiceCrashed, ServiceRestarted
from roost.testing import run_virtual
from tests.plugins.build import BOUND
from tests.plugins.services import failing, hang, in_virtual_time, leftover, noting, runtime_of

EMBEDDED_ELSEWHERE = """
import asyncio, unittest
import pytest, pytest_asyncio
from roost import Runtime, Service

class Counter(Service):
    ups = 0
    async def start(self): Counter.ups += 1
    async def stop(self): Counter.ups -= 1

@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared():
    async with Runtime(services=[Counter]) as runtime:
        yield runtime

@pytest_asyncio.fixture
async def own():
    async with Runtime(services=[Counter]) as runtime:
        yield runtime

@pytest.mark.asyncio(loop_scope="module")
async def test_shared(shared): assert Counter.ups == 1

@pytest.mark.asyncio
async def test_own(own): assert own.is_ready

class InUnittest(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.runtime = Runtime(services=[Counter])
        await self.runtime.start()
    async def asyncTearDown(self): await self.runtime.stop()
    async def test_it(self): assert self.runtime.is_ready
"""

SIGNALLED = """
import asyncio, sys
from roost import Runtime, Service
class First(Service):
    async def stop(self): print("first", flush=True)
class Second(Service):
    def __init__(self, first: First): pass
    async def start(self): print("up", flush=True)
    async def stop(self):
        print("second", flush=True)
        if "hang" in sys.argv: await asyncio.Event().wait()
if __name__ == "__main__":
    sys.exit(Runtime(services=[Second, First]).main())
"""


class Hen(Service):
    def __init__(self, egg: Egg) -> None:
        pass


class Egg(Service):
    def __init__(self, hen: Hen) -> None:
        pass


class Crashing(Service):
    """Crashes when it is told to."""

    def __init__(self) -> None:
        self.go = asyncio.Semaphore(0)

    async def run(self) -> None:
        await self.go.acquire()
        raise OSError("crash")


def test_RT_01_start_takes_as_long_as_its_longest_chain() -> None:
    """RT-01: three independent services of 0.3 s start in 0.3 s, a chain of three in 0.9 s, by a virtual clock."""

    async def slow(self: Service) -> None:
        await asyncio.sleep(0.3)

    async def took(*services: type[Service]) -> float:
        began = asyncio.get_running_loop().time()
        async with runtime_of(*services):
            return asyncio.get_running_loop().time() - began

    a = noting("a", [], start=slow)
    b = noting("b", [], a, start=slow)
    independent = run_virtual(took(*(noting(name, [], start=slow) for name in "xyz")))
    chain = run_virtual(took(a, b, noting("c", [], b, start=slow)))
    assert [round(independent, 9), round(chain, 9)] == [0.3, 0.9]


@pytest.mark.asyncio
async def test_RT_02_a_start_that_fails() -> None:
    """RT-02: B (needs A) raises E at start: A is stopped, the error's first cause is E, no task is left."""
    log: list[str] = []
    error = ValueError("E")
    a = noting("a", log)
    with pytest.raises(ServiceStartFailed) as caught:
        await runtime_of(noting("b", log, a, start=failing(error)), a).start()
    assert caught.value.__cause__ is error
    assert log == ["+a", "-a"]
    assert leftover() == []


@in_virtual_time
async def test_RT_03_a_stop_that_hangs() -> None:
    """RT-03: stop of B hangs: after its stop_timeout an error names B and its stack, every other service is stopped."""
    log: list[str] = []
    a = noting("a", log)
    b = noting("b", log, a, stop=hang, stop_timeout=0.05)
    runtime = runtime_of(a, b, noting("c", log, b))
    await runtime.start()
    with pytest.raises(RuntimeStopFailed) as caught:
        await runtime.stop()
    ((name, error),) = caught.value.failures
    assert (name, "in hang" in str(error)) == ("b", True)
    assert log == ["+a", "+b", "+c", "-c", "-a"]
    assert leftover() == []


@pytest.mark.asyncio
async def test_RT_04_a_task_that_crashes() -> None:
    """RT-04: B's task crashes: the body is cancelled at once, all is stopped, the crash is raised as cause."""
    log: list[str] = []
    with pytest.raises(ServiceTaskCrashed) as caught:
        async with runtime_of(noting("a", log), Crashing) as runtime:
            runtime.get_service(Crashing).go.release()
            try:
                await asyncio.Event().wait()
            finally:
                log.append("body")
    assert isinstance(caught.value.__cause__, OSError)
    assert log == ["+a", "body", "-a"]
    assert leftover() == []


def test_RT_05_a_cycle() -> None:
    """RT-05: X needs Y needs X: an error before anything starts, drawing the path with file and line."""
    with pytest.raises(DependencyCycle) as caught:
        Runtime(services=[Hen, Egg]).plan()
    assert [text.split()[0] for text in caught.value.path] == ["hen", "egg", "hen"]
    assert "hen" in str(caught.value)
    assert str(caught.value).count(f"{Path(__file__)}:") == 3


@in_virtual_time
async def test_RT_06_a_start_that_hangs() -> None:
    """RT-06: start of B hangs: an error names B and the phase, A is stopped, the tree of phases is shown with await stacks."""
    log: list[str] = []
    a = noting("a", log)
    b = noting("b", log, a, start=hang, start_timeout=0.05)
    with pytest.raises(ServiceHung) as caught:
        await runtime_of(a, b, noting("c", log, b)).start()
    assert (caught.value.service, caught.value.phase) == ("b", "start")
    for part in ("a: running", "b: starting", "in hang", "c: waiting", "waits for b"):
        assert part in caught.value.tree
    assert log == ["+a", "-a"]
    assert leftover() == []


@pytest.mark.asyncio
async def test_RT_07_cancelled_during_start() -> None:
    """RT-07: everything started is stopped, and the cancellation propagates."""
    log: list[str] = []
    starting = asyncio.Event()

    async def start(self: Service) -> None:
        starting.set()
        await hang(self)

    a = noting("a", log)
    task = asyncio.create_task(runtime_of(a, noting("b", log, a, start=start)).start())
    await starting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert log == ["+a", "-a"]
    assert leftover() == []


def test_RT_08_embedded_in_other_peoples_loops(tmp_path: Path) -> None:
    """RT-08: entered in one task and left in another, in fixtures of two scopes, and in IsolatedAsyncioTestCase."""

    async def two_tasks() -> list[str]:
        log: list[str] = []
        runtime = runtime_of(noting("a", log))
        await asyncio.create_task(runtime.__aenter__())
        await asyncio.create_task(runtime.__aexit__(None, None, None))
        return log + leftover()

    assert asyncio.run(two_tasks()) == ["+a", "-a"]
    (tmp_path / "test_embedded.py").write_text(EMBEDDED_ELSEWHERE, "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "3 passed" in done.stdout) == (0, True), done.stdout


@pytest.mark.asyncio
async def test_RT_09_any_order_of_calls() -> None:
    """RT-09: stop first, stop twice, start twice, stop while starting, start after a failure; ten times fifty at once: no task left."""
    log: list[str] = []
    runtime = runtime_of(noting("a", log))
    await runtime.stop()
    await runtime.start()
    await runtime.start()
    await runtime.stop()
    await runtime.stop()
    for _ in range(10):
        await asyncio.gather(*(runtime.start() for _ in range(50)))
        await asyncio.gather(*(runtime.stop() for _ in range(50)))
    assert log == ["+a", "-a"] * 11
    starting = asyncio.Event()
    attempts: list[str] = []

    async def start(self: Service) -> None:
        attempts.append("start")
        starting.set()
        if len(attempts) == 1:
            await hang(self)
        if len(attempts) == 2:
            raise ValueError("second")

    runtime = runtime_of(noting("b", log, start=start))
    first = asyncio.create_task(runtime.start())
    await starting.wait()
    await runtime.stop()
    with pytest.raises(RuntimeBusy):
        await first
    with pytest.raises(ServiceStartFailed):
        await runtime.start()
    async with runtime:
        assert runtime.is_ready
    assert leftover() == []


@pytest.mark.asyncio
async def test_RT_10_restarted_with_back_off() -> None:
    """RT-10: at most three restarts per 60 s: three crashes are three restarts with growing waits, the fourth stops the runtime."""

    class Fragile(Crashing):
        on_crash = Restart(at_most=3, per=60.0, delay=0.001)

    seen: list[Any] = []
    with pytest.raises(ServiceTaskCrashed, match="crash"):
        async with runtime_of(Fragile) as runtime:
            runtime.events.subscribe(seen.append, ServiceCrashed, ServiceRestarted)
            for _ in range(4):
                runtime.get_service(Fragile).go.release()
            await asyncio.Event().wait()
    assert [event.outcome for event in seen if isinstance(event, ServiceCrashed)] == ["restart", "restart", "restart", "stop"]
    assert [event.delay for event in seen if isinstance(event, ServiceRestarted)] == [0.001, 0.002, 0.004]
    assert leftover() == []


@pytest.mark.asyncio
async def test_RT_11_a_service_that_may_be_missed() -> None:
    """RT-11: it crashes: degraded, status() says so, readiness stays true."""

    class Optional(Crashing):
        on_crash = "degrade"

    async with runtime_of(Optional, noting("a", [])) as runtime:
        with runtime.events.stream(ServiceCrashed) as crashes:
            runtime.get_service(Optional).go.release()
            crash = await anext(crashes)
        assert crash.outcome == "degrade"
        assert [(unit.name, unit.state) for unit in runtime.status()] == [("optional", "degraded"), ("a", "running")]
        assert runtime.is_ready
    assert leftover() == []


def test_RT_21_signals() -> None:
    """RT-21: SIGTERM: stopped in reverse order, exit code 0; a second SIGTERM: forced."""
    ends = []
    for arguments, signals in ([], 1), (["hang"], 2):
        process = subprocess.Popen([sys.executable, "-c", SIGNALLED, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        process.send_signal(signal.SIGTERM)
        if signals == 2:
            lines.append(process.stdout.readline())
            process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=BOUND)
        ends.append(("".join(lines) + rest, process.returncode))
    assert ends == [("up\nsecond\nfirst\n", 0), ("up\nsecond\n", 128 + signal.SIGTERM)]
