"""Serves an ASGI application by uvicorn inside this process, under the command's own signals."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import uvicorn

from roost.errors import AppFailed

Message: TypeAlias = MutableMapping[str, Any]
AsgiApp: TypeAlias = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]
_GRACE = 10  # seconds that open requests have to end


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """A server that serves.

    Attributes:
        task: Its task, which ends by itself only when something is wrong.
        stop: Asks it to end what it has begun and then itself.
    """

    task: asyncio.Task[None]
    stop: Callable[[], None]


@asynccontextmanager
async def served(app: AsgiApp, listener: socket.socket, *, name: str) -> AsyncIterator[Serving]:
    """Serve an application inside the block.

    Args:
        app: The application; its lifespan is entered before the block and left after it.
        listener: A listening socket; it is closed afterwards.
        name: What errors call the application.

    Yields:
        The server.

    Raises:
        AppFailed: The application said that it failed, and raised nothing.
        BaseException: What the application's lifespan raised.
    """
    remembered = _Remembered(app)
    server = _Server(uvicorn.Config(remembered, log_config=None, access_log=False, timeout_graceful_shutdown=_GRACE))
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="uvicorn")
    serving.add_done_callback(lambda _: server.startup_ended.set())
    try:
        await server.startup_ended.wait()
        if server.started:
            yield Serving(task=serving, stop=server.ask_to_stop)
    finally:
        server.ask_to_stop()
        await serving
        listener.close()
    if remembered.error is not None:
        raise remembered.error
    if remembered.complaint is not None or not server.started:
        raise AppFailed(app=name, reason=remembered.complaint or "it did not start")


class _Server(uvicorn.Server):
    """A server that leaves signals to the command and says when its start is over."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.startup_ended = asyncio.Event()

    def ask_to_stop(self) -> None:
        """Let the server end."""
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: uvicorn would raise them again after a clean stop."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say when that is over, well or not."""
        try:
            await super().startup(sockets=sockets)
        except SystemExit:  # uvicorn's way to say that the lifespan failed, which ends a loop at once
            self.should_exit = True
        finally:
            self.startup_ended.set()


class _Remembered:
    """An application whose lifespan errors are kept: uvicorn would only log them."""

    def __init__(self, app: AsgiApp) -> None:
        self._app = app
        self.error: BaseException | None = None
        self.complaint: str | None = None

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Pass everything on."""
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return

        async def tell(message: Message) -> None:
            if message["type"] in {"lifespan.startup.failed", "lifespan.shutdown.failed"}:
                self.complaint = str(message.get("message") or "it gave no reason")
                message = {"type": message["type"], "message": ""}  # the text, often a traceback, is not to be logged
            await send(message)

        try:
            await self._app(scope, receive, tell)
        except BaseException as error:
            # An application without lifespan raises as well; only one that said it failed has failed.
            if self.complaint is not None:
                self.error = error
            raise
