"""The few messages of ASGI that are answered here, and the types of what sends them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeAlias

Scope: TypeAlias = Any
"""A mapping. Each framework and each server has types of its own for scopes and messages, none of which is another's."""
Receive: TypeAlias = Callable[[], Awaitable[Any]]
Send: TypeAlias = Callable[[Any], Awaitable[None]]
App: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]
"""An ASGI application."""

Headers: TypeAlias = Iterable[tuple[bytes, bytes]]


def path_of(scope: Scope) -> str:
    """Return the path that a request asks for, below the prefix at which the application is mounted."""
    path: str = scope["path"]
    root: str = scope.get("root_path") or ""
    return path.removeprefix(root) or "/" if root else path


async def answer(
    send: Send,
    *,
    status: int,
    body: Mapping[str, object],
    headers: Headers = (),
    prefix: str = "http.response",
    has_body: bool = True,
) -> None:
    """Answer in JSON that nobody may keep.

    Args:
        send: Where to.
        status: The HTTP status.
        body: What is said.
        headers: More headers.
        prefix: What the messages are called; a refused WebSocket has other ones.
        has_body: Whether the body is sent; HEAD asks for its length alone.
    """
    content = json.dumps(body).encode()
    own = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content)), (b"cache-control", b"no-store")]
    await send({"type": f"{prefix}.start", "status": status, "headers": [*own, *headers]})
    await send({"type": f"{prefix}.body", "body": content if has_body else b""})
