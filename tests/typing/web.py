"""A runtime in web applications of several frameworks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any, assert_type

from fastapi import Depends, FastAPI
from litestar import Litestar
from litestar.di import Provide
from litestar.middleware import DefineMiddleware
from starlette.applications import Starlette
from starlette.middleware import Middleware

from roost import Runtime
from roost.asgi import Gate, Probes, lifespan, service, service_not_ready, stopping
from roost.errors import ServiceNotReady
from roost.migrations import MigrationProgress, MigrationStanding
from roost.runtime import Secret
from tests.typing.letters import Carrier, Mailer, Reads


@asynccontextmanager
async def own(app: Starlette) -> AsyncGenerator[Mapping[str, Any]]:
    yield {"name": app.debug}


async def dependencies(runtime: Runtime) -> None:
    assert_type(service(Mailer), Callable[[], Awaitable[Mailer]])
    assert_type(service(Carrier, runtime=runtime), Callable[[], Awaitable[Carrier]])
    assert_type(service(Reads), Callable[[], Awaitable[Reads]])
    assert_type(service("mailer"), Callable[[], Awaitable[Any]])
    assert_type(await service(Mailer)(), Mailer)


def starlette(runtime: Runtime) -> None:
    app = Starlette(
        lifespan=lifespan(runtime, wrap=own, background=True, on_crash="unready"),
        middleware=[
            Middleware(Probes, runtime=runtime, check=True, details_token=Secret("token")),
            Middleware(Gate, runtime=runtime, open=("/",)),
        ],
    )
    assert_type(app, Starlette)
    app.add_middleware(Gate, runtime=runtime, needs={"/letters": [Mailer, Reads, "mailer"]})
    assert_type(Probes(Gate(app, runtime=runtime), runtime=runtime), Probes)
    assert_type(stopping(runtime), asyncio.Event)


def fastapi(runtime: Runtime) -> None:
    app = FastAPI(lifespan=lifespan(runtime))
    app.add_middleware(Probes, runtime=runtime)

    @app.get("/letters")
    async def read(mailer: Annotated[Mailer, Depends(service(Mailer))]) -> str:
        return assert_type(mailer, Mailer).service_name or ""


def litestar(runtime: Runtime) -> None:
    app = Litestar(
        lifespan=[lifespan(runtime)],
        middleware=[DefineMiddleware(Gate, runtime=runtime)],
        dependencies={"mailer": Provide(service(Mailer))},
        exception_handlers={ServiceNotReady: service_not_ready},
    )
    assert_type(Probes(app, runtime=runtime), Probes)


def progress(runtime: Runtime) -> None:
    assert_type(MigrationProgress(runtime.events).standing, MigrationStanding)
    assert_type(MigrationStanding().describe(), str)
