from __future__ import annotations

import asyncio
import itertools
import logging
import time
from typing import Any

import pytest

from roost import Runtime, Service
from roost.errors import RuntimeStopFailed, ServiceStartFailed
from roost.runtime import EventBus, EventStream, ServiceStartStarted
from tests.plugins.services import failing, noting, runtime_of


class Number(int):
    pass


def test_only_what_is_wanted_is_heard() -> None:
    """A listener hears the types it named and their subclasses, or everything; in the order of subscription."""
    bus, heard = EventBus(), list[Any]()
    bus.subscribe(lambda event: heard.append(("ints", event)), int)
    end = bus.subscribe(lambda event: heard.append(("all", event)))
    bus.emit(1)
    bus.emit(Number(3))
    bus.emit("x")
    end()
    bus.emit(2)
    assert heard == [("ints", 1), ("all", 1), ("ints", 3), ("all", 3), ("all", "x"), ("ints", 2)]
    assert (bus.wants(int), bus.wants(Number), bus.wants(str)) == (True, True, False)


@pytest.mark.asyncio
async def test_a_slow_listener_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that holds up the loop is named to the loop's handler; the others are called."""
    reported: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context["message"]))
    ticks = itertools.count()
    monkeypatch.setattr("roost.runtime._event_bus.SLOW_SECONDS", 0.9)
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(ticks)))
    bus, heard = EventBus(), list[Any]()
    bus.subscribe(heard.append)
    bus.emit("x")
    assert heard == ["x"]
    assert len(reported) == 1
    assert "took 1.0 s" in reported[0]


def test_outside_of_a_loop_faults_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A listener that raises where no loop runs is in the log."""

    def bad(_event: object) -> None:
        raise ValueError("listener")

    bus = EventBus()
    bus.subscribe(bad)
    bus.emit("x")
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("roost.events", logging.ERROR)


@pytest.mark.asyncio
async def test_a_stream_never_stalls_the_sender() -> None:
    """It holds so many events; beyond that the oldest are dropped and counted; it ends with its block."""
    bus = EventBus()
    with bus.stream(int, size=2) as stream:
        for number in range(5):
            bus.emit(number)
        assert [await anext(stream), await anext(stream)] == [3, 4]
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.wait({waiting}, timeout=0)
        assert not waiting.done()
        bus.emit(5)
        assert await waiting == 5
        last = asyncio.ensure_future(anext(stream))
        await asyncio.wait({last}, timeout=0)
    bus.emit(6)
    with pytest.raises(StopAsyncIteration):
        await last
    assert (stream.dropped, bus.wants(int)) == (3, False)


@pytest.mark.asyncio
async def test_a_slow_reader_is_reported_once() -> None:
    """The first event that is dropped is told to the loop's handler, and no further one."""
    reported: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context["message"]))
    bus = EventBus()
    with bus.stream(size=2) as stream:
        for number in range(5):
            bus.emit(number)
        assert [number async for number in _until_closed(stream)] == [3, 4]
    assert reported == ["a reader of roost's events is slow: more than 2 wait for it, and the oldest are dropped"]


def _until_closed(stream: EventStream[Any]) -> EventStream[Any]:
    stream.close()
    return stream


@pytest.mark.asyncio
async def test_an_async_listener_is_refused_or_reported() -> None:
    """Nobody would await it: a coroutine function is refused at once, and what returns a coroutine is reported."""
    reported: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context["message"]))
    bus = EventBus()

    async def listen(_event: object) -> None:
        pass

    def returns_a_coroutine(event: object) -> object:
        return listen(event)

    with pytest.raises(TypeError, match=r"events\.stream"):
        bus.subscribe(listen)
    bus.subscribe(returns_a_coroutine)
    bus.emit("x")
    assert len(reported) == 1
    assert "was not awaited" in reported[0]


@pytest.mark.asyncio
async def test_the_log_is_the_first_listener(caplog: pytest.LogCaptureFixture) -> None:
    """Starts and stops are information, and so is what is raised to somebody; a crash that nobody else hears of is a warning."""
    caplog.set_level(logging.INFO, "roost.runtime")

    class Optional(Service):
        on_crash = "degrade"

        async def run(self) -> None:
            raise OSError("gone")

    async with runtime_of(Optional) as runtime:
        while runtime.status()[0].state != "degraded":
            await asyncio.wait({asyncio.ensure_future(runtime.ready(Optional))})
    with pytest.raises(ServiceStartFailed):
        await Runtime(services=[noting("b", [], start=failing(ValueError("no room")))]).start()
    lines = [(record.levelname, record.getMessage().split(" in ")[0].split(" after ")[0]) for record in caplog.records]
    assert [line for line in lines if "service optional" not in line[1]] == [
        ("INFO", "started"),
        ("INFO", "stopped"),
        ("INFO", "the start failed"),
        ("INFO", "stopped"),
    ]
    assert ("WARNING", "service optional crashed (degrade)") in lines


@pytest.mark.asyncio
async def test_each_service_is_logged_for_those_who_debug(caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG every start and stop has its lines; otherwise nobody listens, and nothing is spent on it."""
    caplog.set_level(logging.INFO, "roost.runtime")
    runtime = runtime_of(noting("a", []), noting("b", [], stop=failing(OSError("gone"))))
    async with Runtime(services=[noting("a", [])]):
        pass
    assert not any("service" in record.getMessage() for record in caplog.records)
    caplog.set_level(logging.DEBUG, "roost.runtime")
    with pytest.raises(RuntimeStopFailed):
        async with runtime:
            pass
    assert not runtime.events.wants(ServiceStartStarted)
    lines = [record.getMessage().split(" in ")[0] for record in caplog.records if record.levelno == logging.DEBUG]
    assert lines == [
        "starting a, b",
        "service a starts",
        "service b starts",
        "service a started",
        "service b started",
        "service b stops",
        "service b not stopped: gone",
        "service a stops",
        "service a stopped",
    ]
