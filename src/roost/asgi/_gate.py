"""The gate: keeps requests away from services that are not started."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from roost.asgi._messages import path_of
from roost.asgi._present import present_runtime
from roost.asgi._refusal import RETRY_AFTER, refuse, refuse_for
from roost.asgi._standing import standing_of
from roost.errors import ServiceNotReady
from roost.runtime import Runtime

if TYPE_CHECKING:
    from roost.asgi._messages import App, Receive, Scope, Send

_SLASHES = re.compile("//+")


class Gate:
    """Middleware that answers 503 with ``Retry-After`` while a runtime is not ready, and lets the rest through.

    A WebSocket is denied by the same answer where the server can send it, else closed with 1013. `ServiceNotReady`, when it comes out of
    the application, becomes the same answer.

    Args:
        app: The application: ``Gate(app, runtime=runtime)``, or by the means of a framework, as ``Middleware(Gate, runtime=runtime)``.
        runtime: The runtime.
        open: Paths that are always let through, each with all that is below it; ``"/"`` is that path alone.
        needs: For each path, with all that is below it, the services that it needs, by class or name. Where it is given, only these paths
            are kept, and each only until its own services are started.
        retry_after: Seconds after which to ask again, rounded up.

    Raises:
        ValueError: A path does not begin with ``/``.
    """

    __slots__ = ("_app", "_needs", "_open", "_retry_after", "_runtime", "_standing")

    def __init__(
        self,
        app: App,
        *,
        runtime: Runtime,
        open: Collection[str] = (),  # noqa: A002 -- who writes it is not about to open a file
        needs: Mapping[str, Sequence[Any]] | None = None,
        retry_after: float = RETRY_AFTER,
    ) -> None:
        wrong = [path for path in (*open, *(needs or ())) if not path.startswith("/")]
        if wrong:
            raise ValueError(f"a path begins with '/', and open takes several of them: {wrong!r}")
        self._app = app
        self._runtime = runtime
        self._standing = standing_of(runtime)
        self._open = tuple(open)
        # The longest first: what is said of a path counts more than what is said of the one above it.
        self._needs = None if needs is None else sorted(needs.items(), key=lambda one: len(one[0]), reverse=True)
        self._retry_after = retry_after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        # While the runtime is ready each request pays for what stands here, so little does.
        if not self._standing.is_ready and scope["type"] in ("http", "websocket") and not self._is_open(path_of(scope)):
            await refuse(scope, send, retry_after=self._retry_after)
            return
        present_runtime.set(self._runtime)
        try:
            await self._app(scope, receive, send)
        except ServiceNotReady as error:
            await refuse_for(error, scope, send, retry_after=self._retry_after)

    def _is_open(self, path: str) -> bool:
        """Tell whether a path may be asked for while the runtime is not ready."""
        path = _SLASHES.sub("/", path)  # some frameworks do that, and then route by it
        if any(_is_below(path, one) for one in self._open):
            return True
        if self._needs is None:
            return False
        for prefix, services in self._needs:
            if _is_below(path, prefix):
                return not services or self._are_up(services)
        return True

    def _are_up(self, services: Sequence[Any]) -> bool:
        return all(self._runtime.is_up(one) for one in services)


def _is_below(path: str, prefix: str) -> bool:
    if prefix == "/":
        return path == "/"
    prefix = prefix.rstrip("/")
    return path == prefix or path.startswith(f"{prefix}/")
