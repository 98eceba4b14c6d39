"""The lifespan that ties a runtime to an application."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from roost.asgi import lifespan, stopping
from roost.errors import RuntimeStopFailed, ServiceTaskCrashed
from roost.runtime import Runtime, RuntimeStopFinished, Service
from tests.plugins.build import BOUND


class Diary(Service):
    def __init__(self) -> None:
        self.entries: list[str] = []

    async def start(self) -> None:
        self.entries.append("started")

    async def stop(self) -> None:
        self.entries.append("stopped")


class Broken(Service):
    async def start(self) -> None:
        raise OSError("no disk")


class Crashing(Service):
    async def run(self) -> None:
        raise ValueError("lost it")


@pytest.mark.asyncio
async def test_the_block_is_the_life_of_the_runtime() -> None:
    """The runtime starts before the yield, is the state, and is stopped after the block."""
    diary = Diary()
    runtime = Runtime(services=[diary])
    async with lifespan(runtime)(object()) as state:
        assert state == {"runtime": runtime}
        assert diary.entries == ["started"]
    assert diary.entries == ["started", "stopped"]


@pytest.mark.asyncio
async def test_requests_find_the_runtime() -> None:
    """In a Starlette application a request sees the started runtime, and the end of the application stops it."""
    diary = Diary()

    async def read(request: Request) -> PlainTextResponse:
        return PlainTextResponse(" ".join(request.state.runtime.get_service(Diary).entries))

    app = Starlette(routes=[Route("/", read)], lifespan=lifespan(Runtime(services=[diary])))
    state: dict[str, Any] = {}
    to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    from_app: asyncio.Queue[Any] = asyncio.Queue()
    life = asyncio.create_task(app({"type": "lifespan", "state": state}, to_app.get, from_app.put))
    to_app.put_nowait({"type": "lifespan.startup"})
    assert await from_app.get() == {"type": "lifespan.startup.complete"}

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b"", "state": dict(state)}
    await app(scope, to_app.get, from_app.put)
    assert (await from_app.get())["status"] == 200
    assert (await from_app.get())["body"] == b"started"

    to_app.put_nowait({"type": "lifespan.shutdown"})
    assert await from_app.get() == {"type": "lifespan.shutdown.complete"}
    await life
    assert diary.entries == ["started", "stopped"]


@pytest.mark.asyncio
async def test_a_failed_start_reaches_the_server() -> None:
    """What a service's start raises comes out of the lifespan, after what had started is stopped."""
    diary = Diary()
    with pytest.raises(Exception, match="no disk"):
        async with lifespan(Runtime(services=[diary, Broken]))(object()):
            pytest.fail("the application must not serve")
    assert diary.entries == ["started", "stopped"]


@pytest.mark.asyncio
async def test_a_crash_ends_the_lifespan() -> None:
    """A service that crashes later ends the wait of the application with that crash."""
    diary = Diary()
    with pytest.raises(ServiceTaskCrashed, match="lost it"):
        async with lifespan(Runtime(services=[diary, Crashing]))(object()):
            await asyncio.wait_for(asyncio.Event().wait(), 10)
    assert diary.entries == ["started", "stopped"]


@pytest.mark.asyncio
async def test_each_application_start_starts_anew() -> None:
    """One lifespan serves several lives, as a server that reloads needs it."""
    diary = Diary()
    live = lifespan(Runtime(services=[diary]))
    for _ in range(2):
        async with live(object()):
            assert diary.entries[-1] == "started"
    assert diary.entries == ["started", "stopped"] * 2


def test_no_web_framework_is_imported() -> None:
    """The floor needs neither Starlette nor a server."""
    names = "{'starlette', 'fastapi', 'litestar', 'uvicorn', 'hypercorn', 'asyncpg'}"
    script = f"import sys, roost.asgi; print(sorted({names} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "[]\n"


class Patient(Service):
    """It starts, and crashes, when it is told."""

    def __init__(self) -> None:
        self.is_starting = asyncio.Event()
        self.may_start = asyncio.Event()
        self.may_crash = asyncio.Event()
        self.entries: list[str] = []

    async def start(self) -> None:
        self.entries.append("starting")
        self.is_starting.set()
        await self.may_start.wait()

    async def run(self) -> None:
        await self.may_crash.wait()
        raise ValueError("lost it")

    async def stop(self) -> None:
        self.entries.append("stopped")


def own_lifespan(entries: list[str], *, fails: str = "") -> Callable[[Any], AbstractAsyncContextManager[Mapping[str, Any]]]:
    """Return an application's own lifespan, which says in the diary when it is entered and left, and raises where it is told."""

    @asynccontextmanager
    async def own(app: object) -> AsyncIterator[Mapping[str, Any]]:
        if fails == "entering":
            raise LookupError("no cache")
        entries.append("entered")
        try:
            yield {"app": app}
        finally:
            entries.append("left")
        if fails == "leaving":
            raise LookupError("no cache")

    return own


@pytest.fixture
def terminations() -> Iterator[list[int]]:
    """Handles SIGTERM as a server does, and lists when it came."""
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: came.append(number))
    yield came
    signal.signal(signal.SIGTERM, before)


@pytest.mark.asyncio
@pytest.mark.usefixtures("terminations")
@pytest.mark.parametrize("fails", ["", "entering", "leaving"])
async def test_an_own_lifespan_lives_inside(fails: str) -> None:
    """It is entered with the runtime started, left before that stops, its state is merged, and what it raises goes to the server."""
    diary = Diary()
    live = lifespan(Runtime(services=[diary]), wrap=own_lifespan(diary.entries, fails=fails))
    seen: list[Mapping[str, Any]] = []

    async def serve() -> None:
        async with live("the app") as state:
            seen.append(state)

    if fails:
        with pytest.raises(LookupError, match="no cache"):
            await serve()
    else:
        await serve()
    inside = [] if fails == "entering" else ["entered", "left"]
    assert diary.entries == ["started", *inside, "stopped"]
    assert [(state["app"], sorted(state)) for state in seen] == ([] if fails == "entering" else [("the app", ["app", "runtime"])])


@pytest.mark.asyncio
@pytest.mark.usefixtures("terminations")
async def test_an_own_lifespan_is_left_when_the_start_fails() -> None:
    """Where the start fails it is not entered; where the stop fails it was left before; the error goes to the server."""
    diary = Diary()

    class StopsBadly(Service):
        async def stop(self) -> None:
            raise OSError("no disk")

    with pytest.raises(Exception, match="no disk"):
        async with lifespan(Runtime(services=[diary, Broken]), wrap=own_lifespan(diary.entries))(object()):
            pytest.fail("the application must not serve")
    assert diary.entries == ["started", "stopped"]
    with pytest.raises(RuntimeStopFailed, match="no disk"):
        async with lifespan(Runtime(services=[diary, StopsBadly]), wrap=own_lifespan(diary.entries))(object()):
            pass
    assert diary.entries[2:] == ["started", "entered", "left", "stopped"]
    with pytest.raises(LookupError, match="no cache") as caught:
        async with lifespan(Runtime(services=[StopsBadly]), wrap=own_lifespan([], fails="leaving"))(object()):
            pass
    assert any("no disk" in note for note in caught.value.__notes__)


@pytest.mark.asyncio
@pytest.mark.usefixtures("terminations")
async def test_a_start_in_the_background() -> None:
    """The application serves while services start; its end stops them, also in the middle of their start."""
    service = Patient()
    runtime = Runtime(services=[service])
    async with lifespan(runtime, background=True)(object()):
        assert not runtime.is_ready
        service.may_start.set()
        assert await runtime.ready(Patient, BOUND) is service
    assert service.entries == ["starting", "stopped"]
    service.may_start.clear()
    service.is_starting.clear()
    async with lifespan(runtime, background=True)(object()):
        await asyncio.wait_for(service.is_starting.wait(), BOUND)
    assert service.entries == ["starting", "stopped", "starting"]
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


@pytest.mark.asyncio
async def test_a_start_in_the_background_that_fails(terminations: list[int], caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, asks the server to end, and is raised at the end of the lifespan."""
    runtime = Runtime(services=[Broken])
    with caplog.at_level(logging.ERROR, "roost.asgi"), pytest.raises(Exception, match="no disk"):
        async with lifespan(runtime, background=True)(object()):
            await asyncio.wait_for(stopping(runtime).wait(), BOUND)
            assert "no disk" in caplog.text
    assert terminations == [signal.SIGTERM]


@pytest.mark.asyncio
@pytest.mark.parametrize("start", ["before serving", "in the background"])
@pytest.mark.parametrize("policy", ["exit", "unready"])
async def test_a_crash_under_a_server(terminations: list[int], policy: Any, start: str) -> None:
    """The server is asked to end once, or not at all, by policy; the application's own task is left alone, and raises it at its end."""
    service = Patient()
    service.may_start.set()
    runtime = Runtime(services=[service])
    stopped = asyncio.Event()
    runtime.events.subscribe(lambda _: stopped.set(), RuntimeStopFinished)
    with pytest.raises(ServiceTaskCrashed, match="lost it"):
        async with lifespan(runtime, background=start == "in the background", on_crash=policy)(object()):
            await runtime.ready(Patient, BOUND)
            service.may_crash.set()
            await asyncio.wait_for(stopped.wait(), BOUND)
            for _ in range(10):
                await asyncio.sleep(0)
            assert not runtime.is_ready
            assert stopping(runtime).is_set() == (policy == "exit")
            assert terminations == ([signal.SIGTERM] if policy == "exit" else [])
    assert terminations == ([signal.SIGTERM] if policy == "exit" else [])


def test_there_are_two_policies() -> None:
    """Another word is refused when the application is made."""
    with pytest.raises(ValueError, match="'exit' or 'unready', not 'restart'"):
        lifespan(Runtime(), on_crash="restart")  # type: ignore[arg-type] # that is what is refused


@pytest.mark.asyncio
@pytest.mark.parametrize("kept_by", ["the interpreter", "the event loop"])
async def test_the_server_goes_on_to_hear_its_signals(kept_by: str) -> None:
    """SIGTERM sets the event of `stopping`, and reaches the server's handler each time; afterwards the handler stands as it stood."""
    came: list[str] = []
    again = asyncio.Event()

    def handle(*_: object) -> None:
        came.append("handled")
        if len(came) == 2:
            again.set()

    before = signal.getsignal(signal.SIGTERM)
    if kept_by == "the event loop":
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, handle)
    else:
        signal.signal(signal.SIGTERM, handle)
    theirs = signal.getsignal(signal.SIGTERM)
    runtime = Runtime()
    try:
        async with lifespan(runtime)(object()):
            event = stopping(runtime)
            assert not event.is_set()
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(event.wait(), BOUND)
            assert runtime.is_ready
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(again.wait(), BOUND)
        assert signal.getsignal(signal.SIGTERM) is theirs
        async with lifespan(runtime)(object()):
            assert not stopping(runtime).is_set()
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, before)
    assert came == ["handled", "handled"]


@pytest.mark.asyncio
async def test_the_end_is_told_without_signals() -> None:
    """Where no signal is seen, the event is set when the application is asked to end, or the runtime is stopped by itself."""
    runtime = Runtime(services=[Diary])
    async with lifespan(runtime)(object()):
        event = stopping(runtime)
        assert not event.is_set()
    assert event.is_set()
    await runtime.start()
    event = stopping(runtime)
    assert not event.is_set()
    await runtime.stop()
    assert event.is_set()
