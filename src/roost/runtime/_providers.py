"""Which services are what somebody asks for, by class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from roost.errors import AmbiguousProvider

if TYPE_CHECKING:
    from roost.runtime._node import Node


class Providers:
    """Nodes by the classes they satisfy, in registration order, whatever their number."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        """Take the nodes."""
        self._nodes: list[Node] = []
        self._by_base: dict[type, list[Node]] = {}
        self._looked_up: dict[type, list[Node]] = {}
        for node in nodes:
            self.add(node)

    def add(self, node: Node) -> None:
        """Take one more node."""
        self._nodes.append(node)
        for base in node.answers_to:
            self._by_base.setdefault(base, []).append(node)
        self._looked_up.clear()

    def remove(self, node: Node) -> None:
        """Forget a node."""
        self._nodes.remove(node)
        for base in node.answers_to:
            self._by_base[base].remove(node)
        self._looked_up.clear()

    def of(self, wanted: type) -> Sequence[Node]:
        """Return all nodes that provide a class."""
        if type(wanted) is type:
            return self._by_base.get(wanted, ())
        # A Protocol, or an abstract base that counts classes which do not derive from it: each node is asked, once.
        found = self._looked_up.get(wanted)
        if found is None:
            found = self._looked_up[wanted] = [
                node for node in self._nodes if any(_provides(cls, wanted) for cls in (node.cls, node.stands_for) if cls is not None)
            ]
        return found

    def one(self, wanted: type, *, asker: Node | None = None) -> Node | None:
        """Return the one node that provides a class; the class itself goes before its subclasses.

        Raises:
            AmbiguousProvider: Several do.
        """
        found = [node for node in self.of(wanted) if node is not asker]
        found = [node for node in found if node.is_exactly(wanted)] or found
        if len(found) > 1:
            asking = f"{asker.name} ({asker.location})" if asker is not None else "a lookup"
            raise AmbiguousProvider(asker=asking, wanted=wanted.__qualname__, providers=tuple(node.name for node in found))
        return found[0] if found else None


def _provides(cls: type, wanted: type) -> bool:
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
