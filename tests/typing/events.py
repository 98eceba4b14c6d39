"""Listeners and streams of a runtime's events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_type

from roost import Runtime
from roost.migrations import StepFinished, narrate
from roost.runtime import EventStream, ServiceCrashed, ServiceStartFinished


def heard(event: ServiceCrashed) -> None:
    assert_type(event.service, str)


def heard_all(event: object) -> None:
    assert_type(narrate(event), str | None)


def heard_one_of_two(event: ServiceCrashed | StepFinished) -> bool:
    return isinstance(event, StepFinished)


def subscribed(runtime: Runtime) -> None:
    """A listener takes the events that it is subscribed to."""
    assert_type(runtime.events.subscribe(heard, ServiceCrashed), Callable[[], None])
    assert_type(runtime.events.subscribe(heard_all), Callable[[], None])
    assert_type(runtime.events.subscribe(heard_all, ServiceCrashed, StepFinished), Callable[[], None])
    assert_type(runtime.events.subscribe(heard_one_of_two, ServiceCrashed, StepFinished), Callable[[], None])
    runtime.events.subscribe(lambda event: print(event.service), ServiceStartFinished)  # noqa: T201 -- as a reader would write it
    runtime.events.emit(object())
    assert_type(runtime.events.wants(ServiceCrashed), bool)
    crashes: list[ServiceCrashed] = []
    runtime.events.subscribe(crashes.append, ServiceCrashed)


async def streamed(runtime: Runtime) -> None:
    """A stream's events are of the types that it was asked for."""
    with runtime.events.stream(ServiceCrashed, size=10) as stream:
        assert_type(stream, EventStream[ServiceCrashed])
        assert_type(stream.dropped, int)
        async for event in stream:
            assert_type(event, ServiceCrashed)
    async for either in runtime.events.stream(ServiceCrashed, StepFinished):
        assert_type(either, ServiceCrashed | StepFinished)
    async for anything in runtime.events.stream():
        assert_type(anything, Any)
