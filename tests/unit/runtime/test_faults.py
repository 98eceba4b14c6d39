"""The five faults: a start that fails, one that hangs, a stop that hangs, a task that crashes, and a cancelled start."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from roost import Runtime, Service
from roost.errors import (
    RuntimeBusy,
    RuntimeCrashed,
    RuntimeStartFailed,
    RuntimeStopFailed,
    ServiceHung,
    ServiceStartFailed,
    ServiceTaskCrashed,
    StartNotAsync,
)
from roost.testing import run_virtual
from tests.plugins.services import failing, hang, in_virtual_time, leftover, noting, runtime_of


class Crasher(Service):
    """Crashes when it is told to."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def run(self) -> None:
        await self.go.wait()
        raise OSError("the disk is gone")


@pytest.mark.asyncio
async def test_a_start_that_fails_undoes_the_others() -> None:
    """A is stopped, the first cause is the error itself, nothing is left, and the runtime can be started again."""
    log: list[str] = []
    error = ValueError("no room")
    a = noting("a", log)
    runtime = runtime_of(a, noting("b", log, a, start=failing(error)), noting("c", log))
    for _ in range(2):
        with pytest.raises(ServiceStartFailed, match="Service b failed to start: ValueError: no room") as caught:
            await runtime.start()
        assert caught.value.__cause__ is error
    assert sorted(log) == ["+a", "+a", "+c", "+c", "-a", "-a", "-c", "-c"]
    assert leftover() == []


@pytest.mark.asyncio
async def test_a_start_that_fails_cancels_those_that_are_starting() -> None:
    """A sibling whose start is in progress is cancelled, and not stopped, for it never started."""
    log: list[str] = []

    async def endless(self: Service) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            log.append("cancelled")
            raise

    with pytest.raises(ServiceStartFailed):
        await runtime_of(noting("slow", log, start=endless), noting("bad", log, start=failing(ValueError()))).start()
    assert log == ["cancelled"]
    assert leftover() == []


@pytest.mark.parametrize("whose", ["service", "total"])
@in_virtual_time
async def test_a_start_that_hangs_is_named(whose: str) -> None:
    """Past its own time or the total one the error names the service, shows where it stands and what waits for it; A is stopped."""
    log: list[str] = []
    a = noting("a", log)
    b = noting("b", log, a, start=hang, start_timeout=0.05 if whose == "service" else None)
    runtime = runtime_of(a, b, noting("c", log, b), start_timeout=0.05 if whose == "total" else 60.0)
    with pytest.raises(ServiceHung) as caught:
        await runtime.start()
    error = caught.value
    assert (error.service, error.phase, error.timeout) == ("b", "start", 0.05)
    assert "services.py" in error.stack
    assert "in hang" in error.stack
    assert [line for line in error.tree.splitlines() if not line.startswith("    /")] == [
        "a: running",
        "b: starting",
        "c: waiting",
        "    waits for b",
    ]
    assert log == ["+a", "-a"]
    assert leftover() == []


@in_virtual_time
async def test_a_deadline_of_its_own_does_not_outlive_the_start() -> None:
    """A service that started in time is not accused later, while others still start."""
    go_on = asyncio.Event()

    async def slow(self: Service) -> None:
        asyncio.get_running_loop().call_later(0.05, go_on.set)
        await go_on.wait()

    async with runtime_of(noting("quick", [], start_timeout=0.01), noting("slow", [], start=slow)) as runtime:
        assert {unit.state for unit in runtime.status()} == {"running"}


@in_virtual_time
async def test_a_stop_that_hangs_is_abandoned() -> None:
    """Past its time it is cancelled and named with its stack; every other service is stopped."""
    log: list[str] = []
    a = noting("a", log)
    b = noting("b", log, a, stop=hang, stop_timeout=0.05)
    runtime = runtime_of(a, b, noting("c", log, b))
    await runtime.start()
    with pytest.raises(RuntimeStopFailed, match="b") as caught:
        await runtime.stop()
    ((name, error),) = caught.value.failures
    assert (name, isinstance(error, ServiceHung)) == ("b", True)
    assert "in hang" in str(error)
    assert log == ["+a", "+b", "+c", "-c", "-a"]
    assert leftover() == []


def test_one_that_hangs_does_not_take_the_time_of_the_others() -> None:
    """After the time for all is used up each of the rest still has a second, and is stopped."""
    log: list[str] = []

    async def slow(self: Service) -> None:
        await asyncio.sleep(0.9)
        log.append("-slow")

    async def main() -> float:
        a = noting("a", log, stop=slow)
        b = noting("b", log, a, stop=slow)
        runtime = runtime_of(a, b, noting("c", log, b, stop=hang), stop_timeout=10.0)
        await runtime.start()
        with pytest.raises(RuntimeStopFailed, match="c") as caught:
            await runtime.stop()
        assert [name for name, _ in caught.value.failures] == ["c"]
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == pytest.approx(11.8)
    assert log == ["+a", "+b", "+c", "-slow", "-slow"]


def test_each_stop_has_its_own_time_however_long_the_one_before() -> None:
    """A short limit after a long one, and a long one after a short one, both count from their own beginning."""
    log: list[str] = []

    async def slow(self: Service) -> None:
        await asyncio.sleep(2.0)
        log.append("stopped")

    async def main() -> float:
        a = noting("a", [], stop=slow, stop_timeout=3.0)
        b = noting("b", [], a, stop=hang, stop_timeout=0.5)
        c = noting("c", [], b, stop=slow, stop_timeout=3.0)
        runtime = runtime_of(a, b, c)
        await runtime.start()
        with pytest.raises(RuntimeStopFailed) as caught:
            await runtime.stop()
        assert [name for name, _ in caught.value.failures] == ["b"]
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == pytest.approx(4.5)
    assert log == ["stopped", "stopped"]


@in_virtual_time
async def test_a_stop_that_swallows_its_cancellation_is_left_behind() -> None:
    """A service that does not obey is given up after a grace, named, and the others are stopped."""
    log: list[str] = []
    release = asyncio.Event()

    async def stubborn(self: Service) -> None:
        try:
            await release.wait()
        except asyncio.CancelledError:
            log.append("swallowed")
            await release.wait()

    a = noting("a", log)
    runtime = runtime_of(a, noting("b", log, a, stop=stubborn, stop_timeout=0.01))
    await runtime.start()
    with pytest.raises(RuntimeStopFailed, match="b"):
        await runtime.stop()
    assert log == ["+a", "+b", "swallowed", "-a"]
    assert next(unit for unit in runtime.status() if unit.name == "b").state == "abandoned"
    release.set()


@pytest.mark.asyncio
async def test_stops_that_raise_do_not_keep_others_from_stopping() -> None:
    """All failures are in one error, in the order of the stop; the first is the cause."""
    log: list[str] = []
    first, second = ValueError("one"), OSError("two")
    a = noting("a", log)
    b = noting("b", log, a, stop=failing(second))
    runtime = runtime_of(a, b, noting("c", log, b, stop=failing(first)))
    with pytest.raises(RuntimeStopFailed) as caught:
        async with runtime:
            pass
    assert caught.value.failures == (("c", first), ("b", second))
    assert caught.value.__cause__ is first
    assert log == ["+a", "+b", "+c", "-a"]


@pytest.mark.asyncio
async def test_a_crash_cancels_the_body() -> None:
    """The body is cancelled at once, everything is stopped, and the crash is raised with its cause."""
    log: list[str] = []
    with pytest.raises(ServiceTaskCrashed, match="Service crasher crashed: OSError: the disk is gone") as caught:
        async with runtime_of(noting("a", log), Crasher) as runtime:
            runtime.get_service(Crasher).go.set()
            try:
                await asyncio.Event().wait()
            finally:
                log.append("body ended")
    assert isinstance(caught.value.__cause__, OSError)
    assert log == ["+a", "body ended", "-a"]
    assert leftover() == []
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@pytest.mark.asyncio
async def test_a_crash_after_a_plain_start_ends_wait() -> None:
    """Without a body the crash stops the runtime and is raised by wait, each time it is asked."""
    runtime = runtime_of(Crasher)
    await runtime.start()
    runtime.get_service(Crasher).go.set()
    for _ in range(2):
        with pytest.raises(ServiceTaskCrashed, match="the disk is gone"):
            await runtime.wait()
    await runtime.stop()
    assert leftover() == []


@pytest.mark.asyncio
async def test_a_crash_while_others_start_fails_the_start() -> None:
    """The start ends with the crash, not with a cancellation."""

    class Early(Service):
        async def run(self) -> None:
            raise OSError("at once")

    with pytest.raises(ServiceTaskCrashed, match="early crashed: OSError: at once"):
        await runtime_of(Early, noting("slow", [], start=hang)).start()
    assert leftover() == []


@pytest.mark.asyncio
async def test_an_error_of_the_body_is_kept_beside_a_crash() -> None:
    """A body that raises its own error while it is cancelled ends with that error, with a note of the crash."""
    with pytest.raises(KeyError) as caught:
        async with runtime_of(Crasher) as runtime:
            runtime.get_service(Crasher).go.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise KeyError("own") from None
    (note,) = caught.value.__notes__
    assert note.startswith("meanwhile: Service crasher crashed: OSError: the disk is gone (")
    assert note.endswith(" in Crasher.run)")


@pytest.mark.asyncio
async def test_a_cancelled_start_is_undone_first() -> None:
    """Cancelled while starting: everything that started is stopped before the cancellation goes on, also past a second one."""
    log: list[str] = []
    starting, stopping, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def start(self: Service) -> None:
        starting.set()
        await asyncio.Event().wait()

    async def stop(self: Service) -> None:
        stopping.set()
        await go_on.wait()
        log.append("-a")

    a = noting("a", log, stop=stop)
    runtime = runtime_of(a, noting("b", log, a, start=start))
    task = asyncio.create_task(runtime.start())
    await starting.wait()
    task.cancel()
    await stopping.wait()
    task.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert log == ["+a", "-a"]
    assert leftover() == []


@pytest.mark.asyncio
async def test_one_of_two_starters_may_be_cancelled() -> None:
    """Of two who wait for one start, the cancellation of one does not take the runtime from the other."""
    started, go_on = asyncio.Event(), asyncio.Event()

    async def start(self: Service) -> None:
        started.set()
        await go_on.wait()

    runtime = runtime_of(noting("a", [], start=start))
    one, two = asyncio.create_task(runtime.start()), asyncio.create_task(runtime.start())
    await started.wait()
    one.cancel()
    with pytest.raises(asyncio.CancelledError):
        await one
    go_on.set()
    await two
    assert runtime.status()[0].state == "running"
    await runtime.stop()


@pytest.mark.asyncio
async def test_a_stop_while_starting_ends_the_start() -> None:
    """Who started is told that the runtime was stopped meanwhile; nothing is left."""
    starting = asyncio.Event()

    async def start(self: Service) -> None:
        starting.set()
        await asyncio.Event().wait()

    runtime = runtime_of(noting("a", [], start=start))
    task = asyncio.create_task(runtime.start())
    await starting.wait()
    await runtime.stop()
    with pytest.raises(RuntimeBusy, match="stopped meanwhile"):
        await task
    assert leftover() == []


@pytest.mark.asyncio
@pytest.mark.parametrize("method", ["start", "stop"])
async def test_a_start_or_stop_that_turns_out_plain_is_an_error(method: str) -> None:
    """One that is decorated, so that nobody could tell before, is an error that says how to write it."""

    def plain(self: Service) -> None:
        pass

    @functools.wraps(plain)
    def decorated(self: Service) -> None:
        plain(self)

    runtime = runtime_of(type("Plain", (Service,), {method: decorated}))
    expected = ServiceStartFailed if method == "start" else RuntimeStopFailed
    with pytest.raises(expected) as caught:
        async with runtime:
            pass
    assert isinstance(caught.value.__cause__, StartNotAsync)
    assert f"async def {method}(self)" in str(caught.value.__cause__)


@pytest.mark.asyncio
async def test_a_runtime_that_is_never_stopped_is_stopped_with_its_loop() -> None:
    """When the loop closes and cancels every task, what has started is stopped all the same."""
    log: list[str] = []

    def in_a_loop_of_its_own() -> None:
        async def main() -> None:
            await runtime_of(noting("a", log)).start()

        asyncio.run(main())

    await asyncio.to_thread(in_a_loop_of_its_own)
    assert log == ["+a", "-a"]


@pytest.mark.asyncio
async def test_a_lifespan_lives_in_one_task() -> None:
    """A lifespan is entered and left in the same task, around the services that need it."""
    log: list[str] = []
    tasks = []

    class Held(Service):
        @asynccontextmanager
        async def lifespan(self) -> AsyncIterator[None]:
            tasks.append(asyncio.current_task())
            log.append("+held")
            yield
            log.append("-held")
            tasks.append(asyncio.current_task())

    async with runtime_of(noting("user", log, Held), Held):
        pass
    assert log == ["+held", "+user", "-user", "-held"]
    assert tasks[0] is tasks[1]
    assert leftover() == []


@pytest.mark.asyncio
@pytest.mark.parametrize("where", ["before", "after"])
async def test_a_lifespan_that_fails(where: str) -> None:
    """An error before its yield fails the start; one after it fails the stop."""

    class Held(Service):
        @asynccontextmanager
        async def lifespan(self) -> AsyncIterator[None]:
            if where == "before":
                raise ValueError("before")
            yield
            raise ValueError("after")

    expected = ServiceStartFailed if where == "before" else RuntimeStopFailed
    with pytest.raises(expected, match=where):
        async with runtime_of(Held):
            pass
    assert leftover() == []


@pytest.mark.asyncio
async def test_entered_in_one_task_and_left_in_another() -> None:
    """As fixtures and hosts do it."""
    log: list[str] = []
    runtime = Runtime(services=[noting("a", log)])
    await asyncio.create_task(runtime.__aenter__())
    await asyncio.create_task(runtime.__aexit__(None, None, None))
    assert log == ["+a", "-a"]
    assert leftover() == []


@pytest.mark.asyncio
@pytest.mark.parametrize("body", ["start", "lifespan"])
@pytest.mark.parametrize("how", ["fails", "is cancelled"])
async def test_a_start_that_does_not_succeed_leaves_no_task(body: str, how: str) -> None:
    """What it has set going beside itself is cancelled, for its stop is never called."""
    begun = asyncio.Event()

    async def start(self: Service) -> None:
        self.create_task(hang(self))
        begun.set()
        if how == "fails":
            raise ValueError("after that")
        await hang(self)

    @asynccontextmanager
    async def lifespan(self: Service) -> AsyncIterator[None]:
        await start(self)
        yield

    members: dict[str, object] = {"start": start} if body == "start" else {"lifespan": lifespan}
    starting = asyncio.create_task(runtime_of(noting("a", [], **members)).start())
    await begun.wait()
    if how == "is cancelled":
        starting.cancel()
    await asyncio.wait({starting})
    assert starting.cancelled() if how == "is cancelled" else isinstance(starting.exception(), ServiceStartFailed)
    assert leftover() == []


@pytest.mark.asyncio
async def test_all_that_fails_with_a_start_is_in_one_flat_group() -> None:
    """The cause first, then starts that failed or did not obey when they were cancelled, then stops that raised, each by its name."""
    log: list[str] = []
    release = asyncio.Event()

    async def stubborn(self: Service) -> None:
        try:
            await release.wait()
        except asyncio.CancelledError:
            await release.wait()

    async def spiteful(self: Service) -> None:
        try:
            await hang(self)
        except asyncio.CancelledError:
            raise OSError("spite") from None

    cause, stop = ValueError("cause"), LookupError("stop")
    up = noting("up", log, stop=failing(stop))
    runtime = runtime_of(
        noting("bad", log, up, start=failing(cause)), noting("deaf", log, start=stubborn), noting("spiteful", log, start=spiteful), up
    )
    with pytest.raises(RuntimeStartFailed) as caught:
        await runtime.start()
    assert [name for name, _ in caught.value.failures] == ["bad", "deaf", "spiteful", "up"]
    bad, deaf, spite, last = caught.value.exceptions
    assert caught.value.__cause__ is bad
    assert (bad.__cause__, str(spite.__cause__), last) == (cause, "spite", stop)
    assert isinstance(deaf, ServiceHung)
    assert "in test_all_that_fails" in deaf.stack
    assert [unit.state for unit in runtime.status()] == ["failed", "abandoned", "failed", "new"]
    release.set()
    while leftover():
        await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()}, timeout=0)


@pytest.mark.asyncio
async def test_a_crash_and_a_stop_that_fails_are_in_one_flat_group() -> None:
    """The crash first; both who waits and who is inside the block get it."""
    log: list[str] = []
    error = ValueError("stop")
    with pytest.raises(RuntimeCrashed) as caught:
        async with runtime_of(noting("a", log, stop=failing(error)), Crasher) as runtime:
            runtime.get_service(Crasher).go.set()
            await asyncio.Event().wait()
    crash, stop = caught.value.exceptions
    assert [name for name, _ in caught.value.failures] == ["crasher", "a"]
    assert (type(crash), str(crash.__cause__), stop) == (ServiceTaskCrashed, "the disk is gone", error)
    with pytest.raises(RuntimeCrashed):
        await runtime.wait()


@pytest.mark.asyncio
async def test_an_error_of_the_body_is_kept_beside_a_stop_that_fails() -> None:
    """What the body raised goes on, with a note of what was not stopped cleanly."""
    with pytest.raises(KeyError) as caught:
        async with runtime_of(noting("a", [], stop=failing(ValueError("stop")))):
            raise KeyError("own")
    (note,) = caught.value.__notes__
    assert note.startswith("meanwhile: Not everything stopped cleanly: a: ValueError: stop (")
