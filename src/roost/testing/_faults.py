"""Services that fail on purpose, to be put in the place of sound ones: ``runtime.override({Mailer: hang_stop(Mailer)})``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias, TypeVar, cast

from roost.runtime import Service

S = TypeVar("S", bound=Service)
Act: TypeAlias = Callable[[Service], Awaitable[None]]


class InjectedFault(Exception):  # noqa: N818 -- named by what it is, as roost's own errors
    """What a service raises that was told to fail and not by which error."""


def fail_start(cls: type[S], error: Exception | None = None) -> type[S]:
    """Return a class whose start raises."""

    async def start(_self: Service) -> None:
        raise error or InjectedFault(f"the start of {cls.__name__}")

    return _with(cls, before=start)


def hang_start(cls: type[S]) -> type[S]:
    """Return a class whose start never ends."""
    return _with(cls, before=_hang)


def fail_stop(cls: type[S], error: Exception | None = None) -> type[S]:
    """Return a class that raises at the end of its stop."""

    async def stop(_self: Service) -> None:
        raise error or InjectedFault(f"the stop of {cls.__name__}")

    return _with(cls, after=stop)


def hang_stop(cls: type[S]) -> type[S]:
    """Return a class whose stop never ends."""
    return _with(cls, after=_hang)


def crash_after(cls: type[S], seconds: float, error: Exception | None = None) -> type[S]:
    """Return a class that crashes so many seconds after its start."""

    async def crash() -> None:
        await asyncio.sleep(seconds)
        raise error or InjectedFault(f"{cls.__name__} after {seconds:g} s")

    async def begin(self: Service) -> None:
        self.create_task(crash(), name="injected crash")

    return _with(cls, begun=begin)


async def _hang(_self: Service) -> None:
    await asyncio.get_running_loop().create_future()


async def _nothing(_self: Service) -> None:
    pass


def _with(cls: type[S], *, before: Act = _nothing, begun: Act = _nothing, after: Act = _nothing) -> type[S]:
    """Return a subclass of the same name in which something happens before and after the start, and after the stop."""
    enter: Callable[[Service], AbstractAsyncContextManager[object]] | None = getattr(cls, "lifespan", None)
    if enter is not None:

        @asynccontextmanager
        async def lifespan(self: Service) -> AsyncIterator[None]:
            await before(self)
            async with enter(self):
                await begun(self)
                yield
            await after(self)

        members: dict[str, Any] = {"lifespan": lifespan}
    else:

        async def start(self: Service) -> None:
            await before(self)
            await cls.start(cast("S", self))
            await begun(self)

        async def stop(self: Service) -> None:
            await cls.stop(cast("S", self))
            await after(self)

        members = {"start": start, "stop": stop}
    made = type(cls.__name__, (cls,), {"service_name": cls.service_name, "__module__": cls.__module__, **members})
    return cast("type[S]", made)
