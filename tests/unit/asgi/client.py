"""Asks ASGI applications by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from roost.runtime import Service


@dataclass(frozen=True, slots=True)
class Answer:
    """What an application answered."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def told(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


async def ask(app: Any, path: str, *, method: str = "GET", headers: tuple[tuple[bytes, bytes], ...] = (), **more: Any) -> Answer:
    """Send an application a request, and return what it answers."""
    sent = await exchange(app, {"type": "http", "method": method, "path": path, "headers": headers, "query_string": b"", **more})
    start, *rest = sent
    assert start["type"] == "http.response.start"
    found = dict(start["headers"])
    body = b"".join(one["body"] for one in rest)
    assert int(found.get(b"content-length", len(body))) == len(body) or method == "HEAD"
    return Answer(start["status"], found, body)


async def exchange(app: Any, scope: dict[str, Any]) -> list[dict[str, Any]]:
    """Call an application once, and return the messages that it sends."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app({"asgi": {"version": "3.0"}, **scope}, receive, send)
    return sent


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    """Give the event loop some turns, until something is so."""
    for _ in range(10_000):
        if await is_so():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to be so")


async def fine(scope: Any, receive: Any, send: Any) -> None:
    """An application that answers each request with its path."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["path"].encode()})
    else:
        await send({"type": f"{scope['type']}.seen"})


class Waiting(Service):
    """It starts when it is let, and is as well as it is told to be."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.trouble: Exception | None = None
        self.answers = asyncio.Event()
        self.answers.set()
        self.asked = 0

    async def start(self) -> None:
        await self.gate.wait()

    async def health(self) -> None:
        self.asked += 1
        await self.answers.wait()
        if self.trouble is not None:
            raise self.trouble
