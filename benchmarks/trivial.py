"""Services that do nothing but be counted, so that what is measured is the framework around them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from roost import Service


@dataclass(slots=True)
class Tally:
    """How many trivial services have started and stopped, whoever did it."""

    started: int = 0
    stopped: int = 0


tally = Tally()


class _Trivial(Service):
    async def start(self) -> None:
        tally.started += 1

    async def stop(self) -> None:
        tally.stopped += 1


@lru_cache(maxsize=1)
def flat(count: int) -> list[type[Service]]:
    """Return classes of services that need nothing, two of each ``service_type``."""
    return [type(f"Flat{number}", (_Trivial,), {"service_type": f"kind-{number // 2}"}) for number in range(count)]


@lru_cache(maxsize=1)
def chain(count: int) -> list[type[Service]]:
    """Return classes of services that each need the one before by an annotation of their constructor."""
    classes: list[type[Service]] = [type("Link0", (_Trivial,), {})]
    for number in range(1, count):
        classes.append(type(f"Link{number}", (_Trivial,), {"__init__": _constructor(classes[-1])}))
    return classes


@lru_cache(maxsize=1)
def plain(count: int) -> list[type]:
    """Return classes that know no framework, for those which find things by their class."""
    return [type(f"Plain{number}", (), {}) for number in range(count)]


def _constructor(needed: type) -> Callable[[Service, object], None]:
    def construct(self: Service, needed: object) -> None:
        self.needed = needed  # type: ignore[attr-defined]  # the class is made at run time

    construct.__annotations__ = {"needed": needed, "return": None}
    return construct
