"""Services for tests of the runtime: they note what happens to them, and misbehave on request."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, ParamSpec

from roost import Plugin, Runtime, Service
from roost.testing import run_virtual

P = ParamSpec("P")


def noting(name: str, log: list[str], *needs: type[Service], **members: Any) -> type[Service]:
    """Return a service class that notes its start and stop, and needs these services.

    Args:
        name: Its name.
        log: Where it notes ``+name`` and ``-name``.
        *needs: Service classes that its constructor asks for.
        **members: Other members of the class, such as ``start`` or ``start_timeout``.
    """

    def __init__(self: Service, **given: Service) -> None:  # noqa: N807 -- becomes a method
        self.given = given  # type: ignore[attr-defined]

    async def start(self: Service) -> None:
        log.append(f"+{name}")

    async def stop(self: Service) -> None:
        log.append(f"-{name}")

    parameters = ", ".join(f"need{index}" for index in range(len(needs)))
    scope: dict[str, Callable[..., None]] = {"construct": __init__}
    pairs = ", ".join(f"need{index}=need{index}" for index in range(len(needs)))
    exec(f"def init(self, {parameters}): construct(self, {pairs})", scope)  # noqa: S102 -- a signature can't be made otherwise
    init = scope["init"]
    init.__annotations__ = {f"need{index}": need for index, need in enumerate(needs)}
    own = {} if "lifespan" in members else {"start": start, "stop": stop}
    return type(name, (Service,), {"service_name": name, "__init__": init, **own, **members})


def failing(error: BaseException) -> Callable[[Service], Any]:
    """Return a method that raises."""

    async def fail(self: Service) -> None:
        raise error

    return fail


async def hang(self: Service) -> None:
    """Wait forever; obey a cancellation."""
    await asyncio.Event().wait()


def in_virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test by a clock that moves only when nobody has anything to do, so that a short limit strikes none but whom it is meant for."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        run_virtual(test(*args, **kwargs))

    return run


def leftover() -> list[str]:
    """Return the tasks that are still there, but for this one and the one in which anyio's plugin runs tests."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    return [task.get_name() for task in tasks if "TestRunner." not in getattr(task.get_coro(), "__qualname__", "")]


def runtime_of(*services: Any, plugins: Sequence[Plugin] = (), **fields: Any) -> Runtime:
    """Return a runtime of these services."""
    return Runtime(services=services, plugins=plugins, **fields)
