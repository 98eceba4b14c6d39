"""Refuses what can't be a service, before anything is constructed: each of these would otherwise do nothing, and say nothing."""

from __future__ import annotations

import inspect
from typing import Any

from roost.errors import InvalidService, StartNotAsync
from roost.runtime._crashes import Restart
from roost.runtime._limits import is_seconds
from roost.runtime._location import location_of
from roost.runtime._service import Service

ASYNC_METHODS = ("start", "stop", "run", "drain", "health")
BESIDE_LIFESPAN = ("start", "stop", "run")


def check_service(cls: type, *, name: str) -> None:
    """Check how a service's class is written.

    Args:
        cls: The class.
        name: The service's name, for errors.

    Raises:
        StartNotAsync: A method that is awaited is a plain function.
        InvalidService: It is no class for services, or has two bodies, or a policy that there is not.
    """
    if cls.__module__ == "builtins":
        raise InvalidService(
            service=name, location="", reason=f"{cls.__name__} is no service", advice="give a service's class, or an instance"
        )
    if not issubclass(cls, Service):
        return
    for method in ASYNC_METHODS:
        if _is_plain(_own(cls, method)):
            raise StartNotAsync(service=name, method=method, location=location_of(cls))
    lifespan = _own(cls, "lifespan")
    if inspect.isasyncgenfunction(lifespan) or inspect.iscoroutinefunction(lifespan):
        reason = "its lifespan is no context manager"
        raise InvalidService(service=name, location=location_of(cls), reason=reason, advice="write @asynccontextmanager above it")
    if lifespan is not None and (others := [method for method in BESIDE_LIFESPAN if _own(cls, method) is not None]):
        reason = f"it has a lifespan and {' and '.join(others)}, of which only the lifespan would be run"
        raise InvalidService(
            service=name, location=location_of(cls), reason=reason, advice="do in the lifespan, or in tasks that it starts, what they do"
        )
    for limit in ("start_timeout", "stop_timeout", "health_timeout"):
        seconds = getattr(cls, limit)
        if seconds is not None and not is_seconds(seconds):
            advice = "write a number of seconds"
            raise InvalidService(service=name, location=location_of(cls), reason=f"its {limit} is {seconds!r}", advice=advice)
    policy: object = cls.on_crash
    if not isinstance(policy, Restart) and policy not in ("stop", "degrade"):
        advice = "write on_crash = 'stop', 'degrade' or Restart(…)"
        raise InvalidService(service=name, location=location_of(cls), reason=f"its on_crash is {policy!r}", advice=advice)


def _own(cls: type, method: str) -> Any:  # noqa: ANN401 -- anything may stand under a method's name
    function = getattr(cls, method, None)
    return None if function is getattr(Service, method, None) else function


def _is_plain(function: object) -> bool:
    """Tell whether a function is surely not awaitable; one that is decorated may return what is."""
    return inspect.isfunction(function) and not inspect.iscoroutinefunction(function) and not hasattr(function, "__wrapped__")
