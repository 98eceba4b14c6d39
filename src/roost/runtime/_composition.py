"""What a runtime is made of, over all of its lives: plugins that come and go, and the services of the present life."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from roost.errors import PluginInUse, PluginNotLoaded
from roost.runtime._assembly import Assembly
from roost.runtime._graph import has_on_demand
from roost.runtime._node import Node
from roost.runtime._plugin import AnyRuntime, Plugin, check_plugins
from roost.runtime._settings import SettingsSources


class Composition:
    """Plugins and services, constructed at the first question and kept until `forget`.

    Args:
        runtime: The runtime, for services that ask for it.
        plugins: The plugins at the beginning.
        services: The runtime's own services.
        settings: Where the values of settings classes come from.

    Attributes:
        plugins: The plugins that there are now.
        dependencies: The plugins that each of them needs, directly.
        found: Services by the class or name that was asked for; a lookup is one look into this.

    Raises:
        RuntimeFault: The plugins don't go together.
    """

    def __init__(self, runtime: AnyRuntime, *, plugins: Sequence[Plugin], services: Sequence[Any], settings: SettingsSources) -> None:
        self._runtime = runtime
        self._services = _several("services", services)
        self._settings = settings
        self._overrides: dict[type, Any] = {}
        self._assembly: Assembly | None = None
        self._found_types: dict[object, list[Any]] = {}
        self.plugins: tuple[Plugin, ...] = _several("plugins", plugins)
        self.dependencies: Mapping[str, frozenset[str]] = check_plugins(self.plugins)
        self.found: dict[object, Any] = {}

    @property
    def assembly(self) -> Assembly:
        """The services, constructed at the first call; errors as of `Assembly`."""
        if self._assembly is None:
            assembly = self._assembly = self.draw()  # kept already, for the constructors that look around
            try:
                assembly.construct()
            except BaseException:
                self.forget()
                raise
        return self._assembly

    def draw(self) -> Assembly:
        """Return the services as they are, or else their graph alone, for which nothing is constructed."""
        if self._assembly is not None:
            return self._assembly
        return Assembly(self._runtime, plugins=self.plugins, services=self._services, settings=self._settings, overrides=self._overrides)

    def forget(self) -> None:
        """Let the next question construct the services anew; ready instances stay."""
        self._assembly = None
        self._forget_lookups()

    def override(self, replacements: Mapping[type, Any], *, is_live: Callable[[], bool]) -> Callable[[], None]:
        """Let classes of services be replaced, and return what takes that back.

        Args:
            replacements: For each class what takes its place.
            is_live: Tells whether the services live.

        Raises:
            ServiceNotFound: Nobody brings one of the classes, which would then go on unreplaced.
            TypeError: What is to be replaced is no class.
        """
        graph = self.draw()
        for wanted in replacements:
            if not isinstance(wanted, type):
                raise TypeError(f"what is replaced is named by its class, not by {wanted!r}")
            if not any(node.is_exactly(wanted) for node in graph.nodes) and not has_on_demand(wanted):
                raise graph.not_found(wanted)
        before = self._overrides
        self._overrides = {**before, **replacements}
        self.forget()

        def restore() -> None:
            self._overrides = before
            if not is_live():  # else the services that live are forgotten by the next start
                self.forget()

        return restore

    def find(self, wanted: object) -> tuple[Node | None, bool]:
        """Return the node of a class or a name, and whether it was provided on demand just now; errors as of `Assembly.find`."""
        assembly = self.assembly
        known = len(assembly.nodes)
        node = assembly.find(wanted)
        is_new = len(assembly.nodes) > known
        if is_new:
            self._found_types = {}
        if node is not None:
            self.found[wanted] = node.instance
        return node, is_new

    def of_type(self, service_type: object) -> list[Any]:
        """Return all services of a type, in a new list."""
        found = self._found_types.get(service_type)
        if found is None:
            assembly = self.assembly
            found = assembly.of_type(service_type)
            if assembly.is_constructed:  # a constructor that looks around sees what is made before it
                self._found_types[service_type] = found
        return found.copy()

    def add(self, plugin: Plugin, *, construct: bool) -> list[Node]:
        """Add a plugin, and construct its services.

        Args:
            plugin: The plugin.
            construct: Whether to construct its services now, beside those that there are.

        Returns:
            The nodes of its services, and of those that are provided on demand for them.

        Raises:
            RuntimeFault: It doesn't go with the others, or can't be constructed; nothing is added then.
        """
        plugins = (*self.plugins, plugin)
        dependencies = check_plugins(plugins)
        nodes = self.assembly.add(plugin) if construct else []
        self.plugins, self.dependencies = plugins, dependencies
        if construct:
            self._forget_lookups()
        else:
            self.forget()
        return nodes

    def remove(self, names: set[str], *, nodes: Sequence[Node] = ()) -> None:
        """Forget plugins with their services, and further nodes."""
        self.plugins = tuple(plugin for plugin in self.plugins if plugin.name not in names)
        self.dependencies = {name: needed for name, needed in self.dependencies.items() if name not in names}
        if self._assembly is not None:
            theirs = [node for node in self._assembly.nodes if node.plugin is not None and node.plugin.name in names]
            self._assembly.remove([*theirs, *nodes])
        self._forget_lookups()

    def removable(self, name: str, *, cascade: bool) -> set[str]:
        """Return a plugin and all that must go before it, because they need it.

        Raises:
            PluginNotLoaded: There is none of that name.
            PluginInUse: Others need it, and `cascade` is off; or the runtime's own services need one of them.
        """
        known = {plugin.name for plugin in self.plugins}
        if name not in known:
            raise PluginNotLoaded(name=name, loaded=tuple(sorted(known)))
        gone = {name}
        while more := self._dependents(gone) - gone:
            gone |= more
        others = tuple(sorted(other or "the runtime's own services" for other in gone - {name}))
        if others and (not cascade or "" in gone):
            raise PluginInUse(name=name, dependents=others)
        return gone

    def _dependents(self, names: set[str]) -> set[str]:
        by_services = self._assembly.dependents_of(names) if self._assembly is not None else set()
        return by_services | {plugin for plugin, needed in self.dependencies.items() if needed & names}

    def _forget_lookups(self) -> None:
        self.found = {}
        self._found_types = {}


def _several(what: str, given: Any) -> tuple[Any, ...]:  # noqa: ANN401 -- annotations bind nobody
    if not isinstance(given, Iterable) or isinstance(given, str | type):
        raise TypeError(f"{what} is a sequence, not {given!r}: write {what}=[…]")
    return tuple(given)
