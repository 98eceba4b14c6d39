from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from roost.cli._first_request import Request, send_request
from roost.cli._listening import listening_socket, reachable_address
from roost.cli._serving import served
from roost.errors import AppFailed


class _App:
    """An ASGI application by hand, whose lifespan fails as it is told."""

    def __init__(self, *, fail: str = "", error: Exception | None = None) -> None:
        self.fail, self.error = fail, error
        self.seen: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"hi"})
            return
        for phase in ("startup", "shutdown"):
            await receive()
            self.seen.append(phase)
            if phase == self.fail:
                await send({"type": f"lifespan.{phase}.failed", "message": "secret traceback"})
                if self.error is not None:
                    raise self.error
                return
            await send({"type": f"lifespan.{phase}.complete"})


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A listening socket on a free port."""
    with listening_socket("127.0.0.1", 0) as found:
        yield found


@pytest.mark.asyncio
async def test_application_is_served_inside_the_block(listener: socket.socket) -> None:
    """Inside the block the application answers; after it the lifespan is over and the socket closed."""
    app = _App()
    host, port = reachable_address(listener)
    async with served(app, listener, name="a:b"):
        answer = await asyncio.to_thread(send_request, Request("GET", "/"), host=host, port=port)
        assert (answer.status, answer.body, app.seen) == (200, "hi", ["startup"])
    assert app.seen == ["startup", "shutdown"]
    assert listener.fileno() == -1


@pytest.mark.asyncio
@pytest.mark.parametrize("phase", ["startup", "shutdown"])
async def test_what_the_lifespan_raised_is_raised(listener: socket.socket, phase: str, caplog: pytest.LogCaptureFixture) -> None:
    """The lifespan's own exception comes out of the block, and its traceback is not logged."""
    error = LookupError("the real one")
    with pytest.raises(LookupError) as caught, caplog.at_level(logging.DEBUG):
        async with served(_App(fail=phase, error=error), listener, name="a:b"):
            assert phase == "shutdown"
    assert caught.value is error
    assert "secret traceback" not in caplog.text


@pytest.mark.asyncio
async def test_failure_without_exception_is_an_error(listener: socket.socket) -> None:
    """An application that says it failed, and raises nothing, is an error with its words."""
    with pytest.raises(AppFailed) as caught:
        async with served(_App(fail="startup"), listener, name="a:b"):
            pytest.fail("it was served")
    assert caught.value.message == "The application a:b failed: secret traceback"


@pytest.mark.asyncio
async def test_application_without_lifespan_is_served(listener: socket.socket) -> None:
    """An application that knows no lifespan, and raises on it, is served all the same."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise NotImplementedError
        await _App()(scope, receive, send)

    host, port = reachable_address(listener)
    async with served(app, listener, name="a:b"):
        answer = await asyncio.to_thread(send_request, Request("GET", "/"), host=host, port=port)
    assert answer.status == 200


@pytest.mark.asyncio
async def test_signals_are_left_alone(listener: socket.socket) -> None:
    """Serving sets no signal handler."""
    before = (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))
    async with served(_App(), listener, name="a:b"):
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
