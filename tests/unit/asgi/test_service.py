"""Services as dependencies of handlers, in the frameworks that know dependencies."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Annotated, Any

import litestar
import pytest
from fastapi import Depends, FastAPI
from litestar import Litestar
from litestar.di import NamedDependency, Provide
from litestar.middleware import DefineMiddleware
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from roost.asgi import Gate, Probes, lifespan, service, service_not_ready
from roost.errors import RuntimeNotGiven, ServiceNotFound, ServiceNotReady
from roost.runtime import Runtime, Service
from tests.plugins.build import BOUND
from tests.unit.asgi.client import Answer, Waiting, ask


class Greeter(ABC):
    @abstractmethod
    def greet(self) -> str: ...


class Polite(Service, Greeter):
    service_name = "polite"

    def greet(self) -> str:
        return "good day"


def starlette(runtime: Runtime, middleware: Any, **options: Any) -> Any:
    async def read(_request: Request) -> PlainTextResponse:
        return PlainTextResponse((await service(Greeter)()).greet())

    return Starlette(
        routes=[Route("/greet", read)], lifespan=lifespan(runtime), middleware=[Middleware(middleware, runtime=runtime, **options)]
    )


def fastapi(runtime: Runtime, middleware: Any, **options: Any) -> Any:
    app = FastAPI(lifespan=lifespan(runtime))
    app.add_middleware(middleware, runtime=runtime, **options)

    async def read(greeter: Annotated[Greeter, Depends(service(Greeter))]) -> str:
        return greeter.greet()

    app.get("/greet", response_class=PlainTextResponse)(read)
    return app


def litestar_app(runtime: Runtime, middleware: Any, **options: Any) -> Any:
    @litestar.get("/greet", dependencies={"greeter": Provide(service(Greeter))}, media_type="text/plain")
    async def read(greeter: NamedDependency[Greeter]) -> str:
        return greeter.greet()

    handlers: Any = {ServiceNotReady: service_not_ready}
    return Litestar(
        [read],
        lifespan=[lifespan(runtime)],
        middleware=[DefineMiddleware(middleware, runtime=runtime, **options)],
        exception_handlers=handlers,
        openapi_config=None,
        logging_config=None,
    )


async def greet(app: Any) -> Answer:
    headers = ((b"host", b"testserver"),)
    return await ask(app, "/greet", headers=headers, state={}, client=("::1", 1), server=("::1", 2), scheme="http")


class Lifespan:
    """Sends an application the messages of a server's start and end."""

    def __init__(self, app: Any) -> None:
        self._to_app: asyncio.Queue[Any] = asyncio.Queue()
        self._from_app: asyncio.Queue[Any] = asyncio.Queue()
        self._life = asyncio.create_task(app({"type": "lifespan", "state": {}, "app": app}, self._to_app.get, self._from_app.put))

    async def __aenter__(self) -> None:
        await self._say("startup")

    async def __aexit__(self, *_: object) -> None:
        await self._say("shutdown")
        await self._life

    async def _say(self, what: str) -> None:
        self._to_app.put_nowait({"type": f"lifespan.{what}"})
        assert (await asyncio.wait_for(self._from_app.get(), BOUND))["type"] == f"lifespan.{what}.complete"


@pytest.mark.asyncio
@pytest.mark.parametrize("middleware", [Gate, Probes])
@pytest.mark.parametrize("make", [starlette, fastapi, litestar_app])
async def test_a_handler_gets_its_service(make: Any, middleware: Any) -> None:
    """It is given once the runtime is started by the framework; before and after, a request is answered by 503."""
    runtime = Runtime(services=[Polite])
    app = make(runtime, middleware)
    assert (await greet(app)).status == 503
    async with Lifespan(app):
        answer = await greet(app)
        assert (answer.status, answer.body) == (200, b"good day")
    answer = await greet(app)
    assert (answer.status, answer.told, answer.headers[b"retry-after"]) == (503, {"error": "not ready yet"}, b"1")


@pytest.mark.asyncio
@pytest.mark.parametrize("make", [starlette, fastapi, litestar_app])
async def test_a_handler_behind_an_open_path(make: Any) -> None:
    """A service that is not started, behind a gate that lets the request through, is the same answer by the error that says so."""
    app = make(Runtime(services=[Polite]), Gate, open=["/greet"])
    answer = await greet(app)
    assert (answer.status, answer.told, answer.headers[b"retry-after"]) == (503, {"error": "not ready yet"}, b"1")


@pytest.mark.asyncio
async def test_a_runtime_that_is_named() -> None:
    """Outside of requests, or past every middleware, the runtime is named; where it is not, the error says how."""
    waiting = Waiting()
    runtime = Runtime(services=[Polite, waiting])
    with pytest.raises(RuntimeNotGiven, match=r"service Greeter.*\n.*service\(…, runtime=runtime\)"):
        await service(Greeter)()
    with pytest.raises(ServiceNotReady, match="Service polite is not ready"):
        await service("polite", runtime=runtime)()
    starting = asyncio.create_task(runtime.start())
    await runtime.ready(Polite, BOUND)
    assert (await service(Greeter, runtime=runtime)()).greet() == "good day"
    with pytest.raises(ServiceNotReady, match="Service Waiting is not ready"):
        await service(Waiting, runtime=runtime)()
    waiting.gate.set()
    await starting
    assert await service(Waiting, runtime=runtime)() is waiting
    with pytest.raises(ServiceNotFound):
        await service(OSError, runtime=runtime)()
    await runtime.stop()
    with pytest.raises(ServiceNotReady):
        await service(Polite, runtime=runtime)()
