"""Probes: what Kubernetes and its like ask a server, answered before the application is asked."""

from __future__ import annotations

import hmac
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TypeAlias

from roost.asgi._health_check import Health, HealthCheck
from roost.asgi._messages import answer, path_of
from roost.asgi._present import present_runtime
from roost.asgi._refusal import RETRY_AFTER, refuse_for
from roost.asgi._report import Status, details, status_of, summary
from roost.asgi._standing import standing_of
from roost.errors import ServiceNotReady
from roost.runtime import Runtime, Secret

if TYPE_CHECKING:
    from roost.asgi._messages import App, Receive, Scope, Send

Probe: TypeAlias = Literal["live", "ready", "started"]
_ALLOWED = ("GET", "HEAD")


class Probes:
    """Middleware that answers ``/livez``, ``/readyz`` and ``/startupz``, and passes everything else on.

    ``/livez`` is 200 as long as the event loop answers and the process is worth keeping: 503 once a crash is to end it. ``/startupz`` is
    200 once the runtime has started. ``/readyz`` is 200 while all services are started, and nobody has asked for a stop. Whatever the
    status, the body is JSON with a state and counts.

    Args:
        app: The application: ``Probes(app, runtime=runtime)``, or by the means of a framework, as ``Middleware(Probes, runtime=runtime)``.
        runtime: The runtime.
        check: Whether ``/readyz`` asks the services how they are, too, at most once a second. Where that is the database, all replicas
            are unready while it is away.
        check_timeout: Seconds that ``/readyz`` waits for them.
        details_token: Who sends it as ``Authorization: Bearer …`` is told names and reasons as well. It is not to be empty.
        may_see: Tells of a request's scope whether it may be told these; only True counts.
        live: The path of the probe, should another one be wanted.
        ready: As `live`.
        started: As `live`.

    Raises:
        ValueError: The token is empty.
        TypeError: `may_see` is async.
    """

    def __init__(
        self,
        app: App,
        *,
        runtime: Runtime,
        check: bool = False,
        check_timeout: float = 0.5,
        details_token: str | Secret | None = None,
        may_see: Callable[[Scope], bool] | None = None,
        live: str = "/livez",
        ready: str = "/readyz",
        started: str = "/startupz",
    ) -> None:
        token = details_token.reveal() if isinstance(details_token, Secret) else details_token
        if token is not None and not token.strip():
            raise ValueError("details_token is empty, so that anybody would know it")
        if inspect.iscoroutinefunction(may_see):
            raise TypeError(f"may_see={may_see!r} is async, and nobody would await it")
        self._app = app
        self._runtime = runtime
        self._standing = standing_of(runtime)
        self._check = HealthCheck(runtime, timeout=check_timeout) if check else None
        self._token = None if token is None else token.encode()
        self._may_see = may_see
        self._probes: dict[str, Probe] = {live: "live", ready: "ready", started: "started"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a probe; pass on what is none."""
        kind = scope["type"]
        if kind == "http":
            probe = self._probes.get(path_of(scope))
            if probe is not None:
                await self._answer(probe, scope, send)
                return
        elif kind != "websocket":
            await self._app(scope, receive, send)
            return
        present_runtime.set(self._runtime)
        try:
            await self._app(scope, receive, send)
        except ServiceNotReady as error:
            await refuse_for(error, scope, send, retry_after=RETRY_AFTER)

    async def _answer(self, probe: Probe, scope: Scope, send: Send) -> None:
        if scope["method"] not in _ALLOWED:
            await answer(send, status=405, body={"error": "a probe is asked by GET"}, headers=[(b"allow", b"GET, HEAD")])
            return
        status, health = await self._status(probe)
        body = summary(self._runtime, self._standing, status=status)
        if self._is_trusted(scope):
            body["details"] = details(self._runtime, self._standing, health=health)
        passed = {"live": self._standing.is_live, "ready": status == "ready", "started": self._standing.is_started}[probe]
        await answer(send, status=200 if passed else 503, body=body, has_body=scope["method"] == "GET")

    async def _status(self, probe: Probe) -> tuple[Status, Health | None]:
        status = status_of(self._runtime, self._standing)
        if probe != "ready" or self._check is None or status != "ready":
            return status, None
        health = await self._check.look()
        status = status_of(self._runtime, self._standing)  # it may have changed meanwhile
        return "unhealthy" if status == "ready" and health.unhealthy else status, health

    def _is_trusted(self, scope: Scope) -> bool:
        if self._may_see is not None and self._may_see(scope) is True:
            return True
        if self._token is None:
            return False
        for name, value in scope["headers"]:
            if name.lower() == b"authorization":
                scheme, _, given = value.partition(b" ")
                return scheme.lower() == b"bearer" and hmac.compare_digest(given.strip(), self._token)
        return False
