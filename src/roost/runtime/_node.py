"""A service to be, before and after it is constructed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from roost.runtime._location import location_of

if TYPE_CHECKING:
    from roost.runtime._needs import Need
    from roost.runtime._plugin import Plugin


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceNode:
    """One service in a runtime's graph, as plain data.

    Attributes:
        name: Its name.
        plugin: The plugin that brings it; None for the runtime's own.
        service_type: What its class says.
        needs: The names of the services that it needs, directly.
        wave: In which wave it starts, from 1, as far as constructors say.
        location: Where its class is written, as ``file:line``.
    """

    name: str
    plugin: str | None
    service_type: str | None
    needs: tuple[str, ...]
    wave: int
    location: str


@dataclass(eq=False, slots=True, kw_only=True)
class Node:
    """A service's class or ready instance, its plugin, and the nodes it needs.

    Attributes:
        name: The service's name.
        provider: The class, or the instance where one was given.
        plugin: The plugin that brings it; None for the runtime's own.
        needs: Its constructor's parameters; none for an instance.
        edges: The nodes that must be started before.
        stands_for: The class that this one replaces in a test.
        on_demand: Whether the runtime provides it by itself.
        instance: The service; None before it is constructed.
    """

    name: str
    provider: Any
    plugin: Plugin | None
    needs: tuple[Need, ...] = ()
    edges: list[Node] = field(default_factory=list)
    stands_for: type | None = None
    on_demand: bool = False
    instance: Any = None

    @property
    def cls(self) -> type:
        """The service's class."""
        return self.provider if isinstance(self.provider, type) else type(self.provider)

    @property
    def service_type(self) -> str | None:
        """What its class says of its type."""
        return getattr(self.cls, "service_type", None)

    @property
    def answers_to(self) -> tuple[type, ...]:
        """All classes by which it is found: its own and its bases, and those of the class that it replaces."""
        return tuple(dict.fromkeys(self.cls.__mro__ + (self.stands_for.__mro__ if self.stands_for is not None else ())))

    def is_exactly(self, wanted: type) -> bool:
        """Tell whether a class is the node's own, or the one that it replaces."""
        return wanted in (self.cls, self.stands_for)

    @property
    def location(self) -> str:
        """Where the class is written, as ``file:line``."""
        return location_of(self.cls)
