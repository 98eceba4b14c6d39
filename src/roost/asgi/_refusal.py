"""How a request is refused that needs what is not ready: the same answer by the gate, and for an error that comes out of a handler."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from roost.asgi._messages import answer

if TYPE_CHECKING:
    from roost.asgi._messages import Receive, Scope, Send
    from roost.errors import ServiceNotReady

RETRY_AFTER = 1.0
TRY_AGAIN_LATER = 1013
"""The code with which a WebSocket is closed that may be opened again in a while."""


async def refuse(scope: Scope, send: Send, *, retry_after: float) -> None:
    """Answer 503, or deny a WebSocket: with the same answer where the server can send one, else by closing it.

    Args:
        scope: The request.
        send: Where to.
        retry_after: Seconds after which to ask again.
    """
    headers = [(b"retry-after", b"%d" % math.ceil(retry_after))]
    body = {"error": "not ready yet"}
    if scope["type"] == "http":
        await answer(send, status=503, body=body, headers=headers, has_body=scope["method"] != "HEAD")
    elif "websocket.http.response" in scope.get("extensions", {}):
        await answer(send, status=503, body=body, headers=headers, prefix="websocket.http.response")
    else:
        await send({"type": "websocket.close", "code": TRY_AGAIN_LATER, "reason": "not ready yet"})


async def refuse_for(error: ServiceNotReady, scope: Scope, send: Send, *, retry_after: float) -> None:
    """Refuse in the place of an application that raised that a service is not ready.

    Raises:
        ServiceNotReady: The answer had begun already.
    """
    # Nobody has noted whether the answer had begun: that would cost each request something, and the server knows it.
    try:
        await refuse(scope, send, retry_after=retry_after)
    except Exception:  # noqa: BLE001 -- whatever the server calls it, the answer had begun
        raise error from None


class _Refusal:
    """A response of Starlette and of Litestar, as far as either asks for it."""

    def to_asgi_response(self, *_: object, **__: object) -> _Refusal:
        """Return what answers; Litestar asks for that first."""
        return self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 -- Litestar calls it by these names
        """Answer."""
        await refuse(scope, send, retry_after=RETRY_AFTER)


def service_not_ready(_request: object, _error: object) -> Any:  # noqa: ANN401 -- a response of whichever framework asks for it
    """Answer 503 where a handler needs a service that is not ready; a handler of exceptions, for frameworks that map them themselves.

    Litestar does: ``Litestar(…, exception_handlers={ServiceNotReady: service_not_ready})``. Elsewhere `Gate` and `Probes` answer so.
    """
    return _Refusal()
