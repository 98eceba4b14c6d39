"""Reads what services need off their constructors, and puts them into an order. Pure: nothing is constructed here."""

from __future__ import annotations

import collections.abc
import dataclasses
import difflib
import inspect
import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from roost.errors import AmbiguousProvider, DependencyCycle, MissingProvider, UnresolvableAnnotation
from roost.runtime._plugin import Plugin
from roost.runtime._preparer import OnDemand

if TYPE_CHECKING:
    from collections.abc import Callable

Kind: TypeAlias = Literal["service", "services", "runtime", "plugin", "settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One parameter of a constructor.

    Attributes:
        parameter: Its name.
        kind: What it takes.
        wanted: The class that is asked for.
        optional: Whether None, or the parameter's default, will do.
        has_default: Whether it may be left out.
    """

    parameter: str
    kind: Kind
    wanted: type
    optional: bool
    has_default: bool


@dataclass(eq=False, slots=True, kw_only=True)
class Node:
    """A service to be: its class or ready instance, its plugin, and the nodes it needs.

    Attributes:
        name: The service's name.
        provider: The class, or the instance where one was given.
        plugin: The plugin that brings it; None for the runtime's own.
        needs: Its constructor's parameters; none for an instance.
        edges: The nodes that must be started before.
        on_demand: Whether the runtime provides it by itself.
    """

    name: str
    provider: Any
    plugin: Plugin | None
    needs: tuple[Need, ...] = ()
    edges: list[Node] = dataclasses.field(default_factory=list)
    on_demand: bool = False

    @property
    def cls(self) -> type:
        """The service's class."""
        return self.provider if isinstance(self.provider, type) else type(self.provider)

    @property
    def location(self) -> str:
        """Where the class is written, as ``file:line``."""
        try:
            return f"{inspect.getsourcefile(self.cls)}:{inspect.getsourcelines(self.cls)[1]}"
        except (OSError, TypeError):
            return self.cls.__module__


def read_needs(cls: type, *, runtime_class: type) -> tuple[Need, ...]:
    """Read a constructor's parameters.

    Args:
        cls: The service's class.
        runtime_class: `Runtime`, which this floor's graph can't import.

    Returns:
        What each parameter takes; those that only have a default are left out.

    Raises:
        UnresolvableAnnotation: An annotation can't be resolved or asks for nothing that a runtime provides.
    """
    constructor = cls.__init__  # type: ignore[misc]  # the class's own, looked up on the class on purpose
    if constructor is object.__init__ or not inspect.isfunction(constructor):
        return ()
    parameters = list(inspect.signature(constructor).parameters.values())[1:]
    hints = _hints(cls, constructor, runtime_class)
    needs: list[Need] = []
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        need = _need(parameter, hints.get(parameter.name), runtime_class=runtime_class)
        if need is not None:
            needs.append(need)
        elif parameter.default is parameter.empty:
            annotation = "no annotation" if parameter.annotation is parameter.empty else str(parameter.annotation)
            raise UnresolvableAnnotation(
                service=cls.__qualname__,
                parameter=parameter.name,
                annotation=annotation,
                reason="it is no service, plugin, runtime or settings dataclass",
            )
    return tuple(needs)


def _hints(cls: type, constructor: Callable[..., Any], runtime_class: type) -> dict[str, Any]:
    try:
        # Runtime and Plugin are so often imported for annotations only that they are known by name.
        return typing.get_type_hints(constructor, localns={"Runtime": runtime_class, "Plugin": Plugin})
    except (NameError, TypeError, AttributeError) as error:
        raise UnresolvableAnnotation(
            service=cls.__qualname__,
            parameter="…",
            annotation=str(getattr(error, "name", "") or error),
            reason="its name is not there at run time (imported under TYPE_CHECKING only?)",
        ) from error


def _need(parameter: inspect.Parameter, hint: Any, *, runtime_class: type) -> Need | None:  # noqa: ANN401 -- any annotation
    optional = False
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        rest = [one for one in typing.get_args(hint) if one is not type(None)]
        optional = len(rest) < len(typing.get_args(hint))
        hint = rest[0] if len(rest) == 1 else None
    kind: Kind
    if typing.get_origin(hint) is collections.abc.Sequence:
        (wanted,) = typing.get_args(hint)
        kind = "services"
    elif hint is runtime_class:
        wanted, kind = hint, "runtime"
    elif hint is Plugin:
        wanted, kind = hint, "plugin"
    elif isinstance(hint, type) and dataclasses.is_dataclass(hint) and not hasattr(hint, "service_name"):
        wanted, kind = hint, "settings"
    elif isinstance(hint, type) and hint.__module__ != "builtins":
        wanted, kind = hint, "service"
    else:
        return None
    has_default = parameter.default is not parameter.empty
    if not isinstance(wanted, type):
        return None
    return Need(parameter=parameter.name, kind=kind, wanted=wanted, optional=optional or has_default, has_default=has_default)


def provides(cls: type, wanted: type) -> bool:
    """Tell whether a service of class `cls` is what `wanted` asks for: a subclass, or all members of a Protocol."""
    if getattr(wanted, "_is_protocol", False):
        members = {name for name in _protocol_members(wanted) if not name.startswith("_")}
        return all(hasattr(cls, name) or name in getattr(cls, "__annotations__", {}) for name in members)
    return issubclass(cls, wanted)


def _protocol_members(protocol: type) -> set[str]:
    members: set[str] = set()
    for base in protocol.__mro__:
        if getattr(base, "_is_protocol", False):
            members |= set(base.__dict__) | set(getattr(base, "__annotations__", {}))
    return members


def connect(nodes: list[Node], make_on_demand: Callable[[type[OnDemand]], Node]) -> None:
    """Draw the edges between nodes, and add those that are provided on demand.

    Args:
        nodes: All nodes; those on demand are appended.
        make_on_demand: Makes the node of a class that the runtime provides by itself.

    Raises:
        MissingProvider: A service asks for a class that nobody brings.
        AmbiguousProvider: A service asks for one of several.
    """
    for node in nodes:  # grows while it is walked
        for need in node.needs:
            if need.kind == "services":
                node.edges.extend(other for other in nodes if other is not node and provides(other.cls, need.wanted))
            elif need.kind == "service":
                found = find_node(nodes, need.wanted, asker=node)
                if found is None and isinstance(need.wanted, type) and has_on_demand(need.wanted):
                    found = make_on_demand(need.wanted)
                    nodes.append(found)
                if found is not None:
                    node.edges.append(found)
                elif not need.optional:
                    raise MissingProvider(
                        service=node.name,
                        parameter=need.parameter,
                        wanted=need.wanted.__qualname__,
                        location=node.location,
                        suggestions=closest(need.wanted.__name__, [other.cls.__name__ for other in nodes]),
                    )


def has_on_demand(cls: type) -> bool:
    """Tell whether the runtime can provide a class by itself."""
    return inspect.ismethod(getattr(cls, "on_demand", None))


def find_node(nodes: Sequence[Node], wanted: type, *, asker: Node | None = None) -> Node | None:
    """Return the one node that provides a class; the class itself goes before its subclasses.

    Raises:
        AmbiguousProvider: Several do.
    """
    found = [node for node in nodes if node is not asker and provides(node.cls, wanted)]
    exact = [node for node in found if node.cls is wanted]
    found = exact or found
    if len(found) > 1:
        asking = f"{asker.name} ({asker.location})" if asker is not None else "a lookup"
        raise AmbiguousProvider(asker=asking, wanted=wanted.__qualname__, providers=tuple(node.name for node in found))
    return found[0] if found else None


def closest(name: str, known: Sequence[str]) -> tuple[str, ...]:
    """Return the known names that look like a misspelt one, nearest first."""
    return tuple(difflib.get_close_matches(name, known, n=3))


def waves(nodes: Sequence[Node]) -> list[list[Node]]:
    """Group nodes so that each group needs only the groups before it.

    Raises:
        DependencyCycle: They need each other in a circle.
    """
    level: dict[Node, int] = {}
    for node in nodes:
        if node not in level:
            _find_level(node, level)
    grouped: list[list[Node]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
    for node in nodes:
        grouped[level[node]].append(node)
    return grouped


def _find_level(start: Node, level: dict[Node, int]) -> None:
    # An explicit stack, because a chain of a thousand services is deeper than Python's own.
    stack = [(start, iter(start.edges))]
    on_path = [start]
    while stack:
        node, edges = stack[-1]
        for needed in edges:
            if needed in on_path:
                circle = [*on_path[on_path.index(needed) :], needed]
                raise DependencyCycle(path=tuple(f"{one.name} ({one.location})" for one in circle))
            if needed not in level:
                stack.append((needed, iter(needed.edges)))
                on_path.append(needed)
                break
        else:
            level[node] = 1 + max((level[needed] for needed in node.edges), default=-1)
            stack.pop()
            on_path.pop()
