"""Turns the services, preparers and plugins of a runtime into units with the order between them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence

from roost.runtime._assembly import Assembly
from roost.runtime._body import Body, Watch
from roost.runtime._graph import reachable
from roost.runtime._node import Node
from roost.runtime._plugin import AnyRuntime, Hook, Plugin
from roost.runtime._preparer import Preparer
from roost.runtime._unit import Action, Kind, Unit


class Arrangement:
    """The units of a runtime. They are kept from one start to the next, for those who wait for one.

    Args:
        runtime: What preparers and plugins' hooks are given.
        watch: Who is told of crashes.
    """

    def __init__(self, runtime: AnyRuntime, *, watch: Watch) -> None:
        self._runtime = runtime
        self._watch = watch
        self._units: dict[tuple[Kind, str], Unit] = {}
        self._preparers: tuple[Callable[[AnyRuntime], Preparer], ...] = ()

    def units(self) -> list[Unit]:
        """Return all units: services in registration order, preparers, plugins."""
        return list(self._units.values())

    def unit(self, kind: Kind, name: str) -> Unit:
        """Return a unit, made when it is asked for the first time."""
        unit = self._units.get((kind, name))
        if unit is None:
            unit = self._units[kind, name] = Unit(kind, name)
        return unit

    def of_service(self, node: Node) -> Unit:
        """Return a service's unit, given to the service that the node has now."""
        unit = self.unit("service", node.name)
        Body(node.instance, unit, watch=self._watch)
        unit.owner = None if node.plugin is None else node.plugin.name
        unit.start_timeout = getattr(node.cls, "start_timeout", None)
        unit.stop_timeout = getattr(node.cls, "stop_timeout", None)
        return unit

    def arrange(self, assembly: Assembly, plugins: Sequence[Plugin], dependencies: Mapping[str, frozenset[str]]) -> list[Unit]:
        """Make the units of a start, each with what it needs.

        Args:
            assembly: The services.
            plugins: The plugins.
            dependencies: The plugins that each plugin needs, directly.
        """
        earlier, self._units = self._units, {}
        nodes = assembly.nodes
        for node in nodes:
            self._units["service", node.name] = earlier.get(("service", node.name)) or Unit("service", node.name)
            self.of_service(node)
        needs = {unit: [self.unit("service", needed.name) for needed in node.edges] for unit, node in zip(self.units(), nodes, strict=True)}
        prepared = self._add_preparers(nodes, plugins, dependencies, needs)
        self._add_plugins(nodes, plugins, dependencies, needs, prepared=prepared)
        for unit, needed in needs.items():
            unit.needs = tuple(dict.fromkeys(needed))
        return self.units()

    def extend(self, nodes: Sequence[Node], plugin: Plugin) -> list[Unit]:
        """Make the units of one more plugin, whose dependencies are started.

        Args:
            nodes: The plugin's services, and those that are provided on demand for them.
            plugin: The plugin.
        """
        needs = {self.of_service(node): [self.unit("service", needed.name) for needed in node.edges] for node in nodes}
        prepared = self._add_preparers(nodes, [plugin], {plugin.name: frozenset()}, needs, owner=plugin.name)
        self._add_plugins(nodes, [plugin], {plugin.name: frozenset()}, needs, prepared=prepared)
        for unit, needed in needs.items():
            unit.needs = tuple(dict.fromkeys(needed))
        return list(needs)

    def remove(self, units: Sequence[Unit]) -> None:
        """Forget units."""
        for unit in units:
            self._units.pop((unit.kind, unit.name), None)

    def of_plugin(self, name: str) -> list[Unit]:
        """Return a plugin's units: its services', and its own."""
        return [unit for unit in self._units.values() if unit.owner == name]

    def _add_preparers(
        self,
        nodes: Sequence[Node],
        plugins: Sequence[Plugin],
        dependencies: Mapping[str, frozenset[str]],
        needs: dict[Unit, list[Unit]],
        *,
        owner: str | None = None,
    ) -> set[Node]:
        """Add a unit for each preparer that services name, before all who rely on it; return the services that it needs itself."""
        by_maker: dict[Callable[[AnyRuntime], Preparer], list[Node]] = {}
        for node in nodes:
            prepared_by = getattr(node.cls, "prepared_by", None)
            if prepared_by is not None:
                by_maker.setdefault(prepared_by, []).append(node)
        if owner is None:
            self._preparers = tuple(by_maker)
        elif any(plugin.schema is not None for plugin in plugins):
            for prepared_by in self._preparers:
                by_maker.setdefault(prepared_by, [])
        before = reachable([node for asking in by_maker.values() for node in asking])
        for prepared_by, asking in by_maker.items():
            name = getattr(prepared_by, "__name__", "preparer") + ("" if owner is None else f" of {owner}")
            same = sum(one.kind == "preparer" and one.name.startswith(name) for one in needs)
            unit = self.unit("preparer", f"{name} ({same + 1})" if same else name)
            unit.owner = owner
            unit.start = _prepare(prepared_by(self._runtime), plugins)
            needs[unit] = [self.unit("service", node.name) for node in asking]
            # What a plugin declares as its schema may be brought about by a service of another one.
            asked_for = {node.plugin.name for node in asking if node.plugin is not None}
            concerned = _dependents(asked_for | {plugin.name for plugin in plugins if plugin.schema is not None}, dependencies)
            for node in nodes:
                relies = node.plugin is None or node.plugin.name in concerned
                if relies and node not in before and not node.on_demand:
                    needs[self.unit("service", node.name)].append(unit)
        return before

    def _add_plugins(
        self,
        nodes: Sequence[Node],
        plugins: Sequence[Plugin],
        dependencies: Mapping[str, frozenset[str]],
        needs: dict[Unit, list[Unit]],
        *,
        prepared: set[Node],
    ) -> None:
        """Add a unit for each plugin: after all of the plugins it depends on, and before its own services."""
        preparers = [unit for unit in needs if unit.kind == "preparer"]
        whole: dict[str, list[Unit]] = {plugin.name: [] for plugin in plugins}
        own = [(node.plugin, self.unit("service", node.name)) for node in nodes if node.plugin is not None and node not in prepared]
        for plugin, service in own:
            whole[plugin.name].append(service)
        for plugin in plugins:
            unit = self.unit("plugin", plugin.name)
            unit.start, unit.stop, unit.owner = self._hook(plugin.init), self._hook(plugin.dispose), plugin.name
            needs[unit] = preparers.copy() if plugin.init is not None else []
            for service in whole[plugin.name]:
                needs[service].append(unit)
            whole[plugin.name].append(unit)
        for plugin in plugins:
            for needed in dependencies[plugin.name]:
                needs[self.unit("plugin", plugin.name)].extend(whole[needed])

    def _hook(self, hook: Hook | None) -> Action | None:
        if hook is None:
            return None

        async def call() -> None:
            result = hook(self._runtime)
            if inspect.isawaitable(result):
                await result

        return call


def _prepare(preparer: Preparer, plugins: Sequence[Plugin]) -> Action:
    async def prepare() -> None:
        await preparer.prepare(plugins)

    return prepare


def _dependents(names: set[str], dependencies: Mapping[str, frozenset[str]]) -> set[str]:
    """Return plugins and all plugins that need one of them, directly or not."""
    found = set(names)
    grown = True
    while grown:
        more = {name for name, needed in dependencies.items() if name not in found and needed & found}
        found |= more
        grown = bool(more)
    return found
