"""Draws the edges between services and puts them into an order. Pure: nothing is constructed here."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING

from roost.errors import DependencyCycle, MissingProvider
from roost.runtime._suggestions import closest

if TYPE_CHECKING:
    from collections.abc import Callable

    from roost.runtime._needs import Need
    from roost.runtime._node import Node
    from roost.runtime._preparer import OnDemand
    from roost.runtime._providers import Providers


def connect(nodes: list[Node], providers: Providers, make_on_demand: Callable[[type[OnDemand]], Node]) -> None:
    """Draw the edges between nodes, and add those that are provided on demand.

    Args:
        nodes: The nodes whose needs are looked at; those on demand are appended.
        providers: All nodes by class.
        make_on_demand: Makes the node of a class that the runtime provides by itself.

    Raises:
        MissingProvider: A service asks for a class that nobody brings.
        AmbiguousProvider: A service asks for one of several.
    """
    for node in nodes:  # grows while it is walked
        for need in node.needs:
            if need.kind == "services":
                node.edges.extend(other for other in providers.of(need.wanted) if other is not node)
            elif need.kind == "service":
                found = providers.one(need.wanted, asker=node)
                if found is None and has_on_demand(need.wanted):
                    found = make_on_demand(need.wanted)
                    nodes.append(found)
                    providers.add(found)
                if found is not None:
                    node.edges.append(found)
                elif not need.optional:
                    raise _cycle([node, node]) if need.wanted in node.answers_to else _missing(node, need, nodes)


def has_on_demand(cls: type) -> bool:
    """Tell whether the runtime can provide a class by itself."""
    return inspect.ismethod(getattr(cls, "on_demand", None))


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


def reachable(nodes: Sequence[Node]) -> set[Node]:
    """Return nodes and all that they need, directly or not."""
    found = set(nodes)
    frontier = list(nodes)
    while frontier:
        for needed in frontier.pop().edges:
            if needed not in found:
                found.add(needed)
                frontier.append(needed)
    return found


def _find_level(start: Node, level: dict[Node, int]) -> None:
    # A path of its own, because a chain of a thousand services is deeper than Python's stack.
    path = {start: iter(start.edges)}
    while path:
        node = next(reversed(path))
        for needed in path[node]:
            if needed in path:
                names = list(path)
                raise _cycle([*names[names.index(needed) :], needed])
            if needed not in level:
                path[needed] = iter(needed.edges)
                break
        else:
            level[node] = 1 + max((level[needed] for needed in node.edges), default=-1)
            del path[node]


def _cycle(circle: Sequence[Node]) -> DependencyCycle:
    return DependencyCycle(path=tuple(f"{one.name} ({one.location})" for one in circle))


def _missing(node: Node, need: Need, nodes: Sequence[Node]) -> MissingProvider:
    return MissingProvider(
        service=node.name,
        parameter=need.parameter,
        wanted=need.wanted.__qualname__,
        location=node.location,
        suggestions=closest(need.wanted.__name__, [other.cls.__name__ for other in nodes]),
    )
