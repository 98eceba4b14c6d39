"""The lifespan that ties a runtime to an application."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from roost.asgi import lifespan
from roost.errors import ServiceTaskCrashed
from roost.runtime import Runtime, Service


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
    script = "import sys, roost.asgi; print(sorted({'starlette', 'fastapi', 'uvicorn'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "[]\n"
