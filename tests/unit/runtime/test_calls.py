"""Start, stop, ready and wait in any order, and what the runtime tells meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from roost import Plugin, Runtime, Service
from roost.errors import ReadyTimeout, ServiceNotFound, ServiceStartFailed
from roost.runtime import (
    RuntimeStartFinished,
    RuntimeStartStarted,
    RuntimeStopFinished,
    RuntimeStopStarted,
    ServiceStartFinished,
    ServiceStartStarted,
    ServiceStopFinished,
    ServiceStopStarted,
)
from tests.plugins.services import failing, hang, leftover, noting, runtime_of


class Slow(Service):
    """Starts when it is told to."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def start(self) -> None:
        await self.go.wait()


@pytest.mark.asyncio
async def test_any_order_of_calls() -> None:
    """Stop before start does nothing; start twice starts once; stop twice stops once; then it starts again."""
    log: list[str] = []
    runtime = runtime_of(noting("a", log))
    await runtime.stop()
    await runtime.start()
    await runtime.start()
    await runtime.stop()
    await runtime.stop()
    await runtime.wait()
    await runtime.start()
    await runtime.stop()
    assert log == ["+a", "-a", "+a", "-a"]
    assert leftover() == []


@pytest.mark.asyncio
async def test_many_at_once() -> None:
    """Ten rounds of fifty starts at once, then fifty stops at once: one start, one stop, and no task left."""
    log: list[str] = []
    runtime = runtime_of(noting("a", log))
    for _ in range(10):
        await asyncio.gather(*(runtime.start() for _ in range(50)))
        await asyncio.gather(*(runtime.stop() for _ in range(50)))
    assert log == ["+a", "-a"] * 10
    assert leftover() == []


@pytest.mark.asyncio
async def test_a_start_during_a_stop_begins_after_it() -> None:
    """Who starts while the runtime stops gets a runtime that is started."""
    log: list[str] = []
    stopping, go_on = asyncio.Event(), asyncio.Event()

    async def stop(self: Service) -> None:
        stopping.set()
        await go_on.wait()
        log.append("-a")

    runtime = runtime_of(noting("a", log, stop=stop))
    await runtime.start()
    stopped = asyncio.create_task(runtime.stop())
    await stopping.wait()
    started = asyncio.create_task(runtime.start())
    go_on.set()
    await asyncio.gather(stopped, started)
    assert log == ["+a", "-a", "+a"]
    await runtime.stop()


@pytest.mark.asyncio
async def test_ready_waits_for_one_service() -> None:
    """It returns when that service is started, though others still start."""
    runtime = runtime_of(Slow, noting("stuck", [], start=hang))
    starting = asyncio.create_task(runtime.start())
    waiting = asyncio.create_task(runtime.ready(Slow))
    runtime.get_service(Slow).go.set()
    assert await waiting is runtime.get_service(Slow)
    assert await runtime.ready("slow") is runtime.get_service(Slow)
    assert not starting.done()
    starting.cancel()
    await asyncio.wait({starting})


@pytest.mark.asyncio
async def test_ready_before_the_start() -> None:
    """Somebody may wait before anybody starts."""
    runtime = runtime_of(noting("a", []))
    waiting = asyncio.create_task(runtime.ready("a"))
    await runtime.start()
    assert (await waiting) is runtime.get_service("a")
    await runtime.stop()


@pytest.mark.asyncio
async def test_ready_raises_what_the_start_raised() -> None:
    """The original error comes to the waiter and to later ones; who waited for another service gets the error that names it."""
    error = ValueError("no room")
    runtime = runtime_of(noting("a", []), noting("b", [], start=failing(error)))
    waiting = asyncio.create_task(runtime.ready("b"))
    with pytest.raises(ServiceStartFailed):
        await runtime.start()
    for later in (waiting, runtime.ready("b")):
        with pytest.raises(ValueError, match="no room") as caught:
            await later
        assert caught.value is error
    with pytest.raises(ServiceStartFailed, match="b failed to start"):
        await runtime.ready("a")


@pytest.mark.asyncio
async def test_ready_in_time() -> None:
    """Past its time it names the service and its state; an unknown service is refused at once."""
    runtime = runtime_of(Slow)
    with pytest.raises(ReadyTimeout) as caught:
        await runtime.ready(Slow, timeout=0.01)
    assert (caught.value.service, caught.value.state) == ("slow", "new")
    with pytest.raises(ServiceNotFound):
        await runtime.ready("slov")


@pytest.mark.asyncio
async def test_status_is_plain_data() -> None:
    """It tells name, kind, state, what is waited for and what went wrong, from before the start to after the stop."""
    slow_needs_nothing, runtime = Slow, runtime_of(noting("a", [], Slow), Slow, plugins=[Plugin("p")])
    starting = asyncio.create_task(runtime.start())
    await asyncio.wait({starting}, timeout=0)
    while runtime.get_service(slow_needs_nothing).go.is_set() or runtime.status()[1].state != "starting":
        await asyncio.wait({starting}, timeout=0)
    waiting = [(one.name, one.kind, one.state, one.waits_for) for one in runtime.status()]
    runtime.get_service(Slow).go.set()
    await starting
    started = [(one.name, one.state, one.took is not None) for one in runtime.status()]
    await runtime.stop()
    assert waiting == [
        ("a", "service", "waiting", ("slow",)),
        ("slow", "service", "starting", ()),
        ("p", "plugin", "running", ()),
    ]
    assert started == [("a", "running", True), ("slow", "running", True), ("p", "running", True)]
    assert [one.state for one in runtime.status()] == ["stopped"] * 3


@pytest.mark.asyncio
async def test_events_come_in_pairs() -> None:
    """Each start and stop, of the runtime and of a service, is told when it begins and when it ends."""
    seen: list[Any] = []
    runtime = runtime_of(noting("a", []))
    runtime.events.subscribe(seen.append)
    async with runtime:
        pass
    assert [type(event) for event in seen] == [
        RuntimeStartStarted,
        ServiceStartStarted,
        ServiceStartFinished,
        RuntimeStartFinished,
        RuntimeStopStarted,
        ServiceStopStarted,
        ServiceStopFinished,
        RuntimeStopFinished,
    ]
    assert {event.error for event in seen if hasattr(event, "error")} == {None}


@pytest.mark.asyncio
async def test_a_listener_that_raises_is_reported() -> None:
    """The other listeners are called, the runtime goes on, and the loop's handler is told."""
    reported: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context["exception"]))
    seen: list[object] = []
    runtime = Runtime()

    def bad(_event: object) -> None:
        raise ValueError("listener")

    runtime.events.subscribe(bad, RuntimeStartStarted)
    unsubscribe = runtime.events.subscribe(seen.append, RuntimeStartStarted)
    async with runtime:
        unsubscribe()
        unsubscribe()
    async with runtime:
        pass
    assert len(seen) == 1
    assert [str(error) for error in reported] == ["listener", "listener"]


class Recorder:
    """A preparer that notes when it is awaited."""

    log: list[str]
    error: Exception | None = None

    async def prepare(self, plugins: Sequence[Plugin], /) -> None:
        self.log.append("prepare " + " ".join(plugin.name for plugin in plugins))
        if self.error is not None:
            raise self.error


def prepared_plugins(log: list[str], error: Exception | None = None) -> list[Plugin]:
    """Return a plugin that is prepared, one that depends on it, and one that does not."""

    def recorder(_runtime: Runtime) -> Recorder:
        preparer = Recorder()
        preparer.log, preparer.error = log, error
        return preparer

    preparing = noting("preparing", log, prepared_by=staticmethod(recorder))
    return [
        Plugin("user", services=[noting("user-service", log)], dependencies=["base"]),
        Plugin("base", services=[noting("base-service", log), preparing]),
    ]


@pytest.mark.asyncio
async def test_a_preparer_comes_before_the_services_of_its_plugins() -> None:
    """It is awaited once, after the service that names it, before all others of the plugin and of those that depend on it."""
    log: list[str] = []
    async with Runtime(plugins=prepared_plugins(log)):
        assert log == ["+preparing", "prepare user base", "+base-service", "+user-service"]


@pytest.mark.asyncio
async def test_a_preparer_that_fails_keeps_services_from_starting() -> None:
    """Its error is raised as it is, and what it needed is stopped again."""
    log: list[str] = []
    with pytest.raises(OSError, match="no database"):
        await Runtime(plugins=prepared_plugins(log, OSError("no database"))).start()
    assert log == ["+preparing", "prepare user base", "-preparing"]
    assert leftover() == []
