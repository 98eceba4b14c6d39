"""A runtime as the lifespan of an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

from roost.runtime import Runtime

Lifespan: TypeAlias = Callable[[Any], AbstractAsyncContextManager[Mapping[str, Any]]]


def lifespan(runtime: Runtime) -> Lifespan:
    """Return what Starlette and FastAPI take as ``lifespan=``: it starts a runtime with the application and stops it after.

    Requests find the runtime as ``request.state.runtime``. What the runtime's start or stop raises goes to the server, which
    then doesn't serve. When a service crashes later, the application's lifespan ends with that crash.

    Args:
        runtime: What to start. One that is started already is used as it is, and stopped with the application.

    Returns:
        A function that takes the application and returns an async context manager.
    """

    @asynccontextmanager
    async def live(_app: object) -> AsyncIterator[Mapping[str, Any]]:
        async with runtime:
            yield {"runtime": runtime}

    return live
