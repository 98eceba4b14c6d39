"""A service as a dependency of a request's handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

from typing_extensions import TypeForm

from roost.asgi._present import present_runtime
from roost.errors import RuntimeNotGiven, ServiceNotReady
from roost.runtime import Runtime

T = TypeVar("T")


@overload
def service(wanted: str, *, runtime: Runtime | None = None) -> Callable[[], Awaitable[Any]]: ...
@overload
def service(wanted: type[T], *, runtime: Runtime | None = None) -> Callable[[], Awaitable[T]]: ...
@overload
def service(wanted: TypeForm[T], *, runtime: Runtime | None = None) -> Callable[[], Awaitable[T]]: ...
def service(wanted: Any, *, runtime: Runtime | None = None) -> Callable[[], Awaitable[Any]]:
    """Return what gives a request's handler a service: for ``Depends(…)`` of FastAPI and ``Provide(…)`` of Litestar.

    Args:
        wanted: A class, abstract base or Protocol that one service satisfies, or a service's name.
        runtime: The runtime that has it; by default the one of the `Gate` or `Probes` through which the request came.

    Returns:
        An async function without parameters. It raises `ServiceNotReady` while the service is not started, `ServiceNotFound` where there
        is none, and `RuntimeNotGiven` where nobody says of which runtime it is.
    """
    name = wanted if isinstance(wanted, str) else getattr(wanted, "__name__", repr(wanted))

    async def provide() -> Any:  # noqa: ANN401 -- a service that is looked up by its name may be of any class
        found = present_runtime.get() if runtime is None else runtime
        if found is None:
            raise RuntimeNotGiven(service=name)
        if not found.is_ready and not found.is_up(wanted):
            raise ServiceNotReady(service=name, state="not started")
        return found.get_service(wanted)

    return provide
