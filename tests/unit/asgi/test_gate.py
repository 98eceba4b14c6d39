"""What is let through before a runtime is ready, and how the rest is refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from roost.asgi import Gate, service
from roost.errors import ServiceNotReady
from roost.runtime import Runtime, Service
from tests.plugins.build import BOUND
from tests.unit.asgi.client import Waiting, ask, exchange, fine


class Quick(Service):
    pass


async def passes(app: Any, path: str, **more: Any) -> bool:
    answer = await ask(app, path, **more)
    assert answer.status in (200, 503)
    return answer.status == 200


@pytest.mark.asyncio
async def test_nothing_passes_before_and_all_of_it_after() -> None:
    """Before the start, while it goes on and after the stop a request is refused, and told when to ask again; in between it is not."""
    waiting = Waiting()
    runtime = Runtime(services=[waiting])
    app = Gate(fine, runtime=runtime, retry_after=1.5)

    async def refused() -> None:
        answer = await ask(app, "/tasks")
        assert (answer.status, answer.told) == (503, {"error": "not ready yet"})
        assert (answer.headers[b"retry-after"], answer.headers[b"cache-control"]) == (b"2", b"no-store")

    await refused()
    starting = asyncio.create_task(runtime.start())
    await asyncio.sleep(0)
    await refused()
    waiting.gate.set()
    await starting
    assert (await ask(app, "/tasks")).body == b"/tasks"
    await runtime.stop()
    await refused()
    assert (await ask(app, "/tasks", method="HEAD")).body == b""
    assert (await ask(Gate(fine, runtime=runtime), "/")).headers[b"retry-after"] == b"1"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "is_open"),
    [
        ("/", True), ("/static", True), ("/static/", True), ("/static/a/b.css", True), ("/docs/guide", True), ("//static//a", True),
        ("/statics", False), ("/docs/guides", False), ("/docs", False), ("/tasks/static", False), ("", False),
    ],
)  # fmt: skip
async def test_open_paths(path: str, is_open: bool) -> None:  # noqa: FBT001 -- it is the expected answer
    """A path that is open is so with all that is below it, and with nothing that only begins alike; the root is open alone."""
    app = Gate(fine, runtime=Runtime(), open=("/", "/static", "/docs/guide/"))
    assert await passes(app, path) == is_open
    assert await passes(app, f"/api{path}", root_path="/api") == (is_open or path == "")


@pytest.mark.asyncio
async def test_needs() -> None:
    """With `needs` only the named paths are kept, each until its own services are started; the longest path that fits decides."""
    waiting = Waiting()
    runtime = Runtime(services=[Quick, waiting])
    needs: dict[str, list[Any]] = {"/tasks": [Quick, Waiting], "/tasks/quick": ["quick"], "/tasks/free": [], "/odd": [OSError]}
    app = Gate(fine, runtime=runtime, needs=needs)
    paths = ("/tasks", "/tasks/1", "/tasks/quick", "/tasks/quick/1", "/tasks/free", "/about", "/odd")
    assert [await passes(app, path) for path in paths] == [False, False, False, False, True, True, False]
    starting = asyncio.create_task(runtime.start())
    await runtime.ready(Quick, BOUND)
    assert [await passes(app, path) for path in paths] == [False, False, True, True, True, True, False]
    waiting.gate.set()
    await starting
    assert [await passes(app, path) for path in paths] == [True] * 7
    await runtime.stop()
    assert [await passes(app, path) for path in paths] == [False, False, False, False, True, True, False]


@pytest.mark.asyncio
async def test_websockets_are_denied() -> None:
    """By an HTTP answer where the server can send one, else closed as something that may be tried again; the lifespan passes."""
    app = Gate(fine, runtime=Runtime())
    scope: dict[str, Any] = {"type": "websocket", "path": "/stream", "headers": []}
    assert await exchange(app, scope) == [{"type": "websocket.close", "code": 1013, "reason": "not ready yet"}]
    start, body = await exchange(app, {**scope, "extensions": {"websocket.http.response": {}}})
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 503)
    assert (b"retry-after", b"1") in start["headers"]
    assert body["type"] == "websocket.http.response.body"
    assert await exchange(app, {"type": "lifespan"}) == [{"type": "lifespan.seen"}]
    async with Runtime() as runtime:
        assert await exchange(Gate(fine, runtime=runtime), scope) == [{"type": "websocket.seen"}]


@pytest.mark.asyncio
async def test_an_error_that_says_so_is_the_same_answer() -> None:
    """`ServiceNotReady` out of the application is a refusal; once the answer has begun it is what it is; other errors are left alone."""
    runtime = Runtime(services=[Waiting])

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/late":
            await send({"type": "http.response.start", "status": 200, "headers": []})
        if scope["path"] == "/wrong":
            raise LookupError("no task")
        await service(Waiting)()

    gate = Gate(app, runtime=runtime, open=["/early", "/late", "/wrong"])
    assert (await ask(gate, "/early")).headers[b"retry-after"] == b"1"
    with pytest.raises(LookupError):
        await ask(gate, "/wrong")

    begun: list[str] = []

    async def send(message: Any) -> None:
        begun.append(message["type"])
        if len(begun) > 1:
            raise RuntimeError("a server refuses a second start")

    with pytest.raises(ServiceNotReady):
        await gate({"type": "http", "path": "/late", "method": "GET"}, asyncio.Event().wait, send)
    assert begun == ["http.response.start"] * 2


@pytest.mark.parametrize("wrong", [{"open": "static"}, {"open": "/static"}, {"open": ["static"]}, {"needs": {"tasks": []}}])
def test_a_path_begins_with_a_slash(wrong: Any) -> None:
    """What can't be a path, or would be taken for several, is refused when the application is made."""
    with pytest.raises(ValueError, match="a path begins with '/'"):
        Gate(fine, runtime=Runtime(), **wrong)
