"""The services of a runtime, constructed once and without I/O, and found again by name, class or type."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from roost.errors import ConstructionFailed, DuplicateService, InvalidService, ServiceNotFound
from roost.runtime._checks import check_service
from roost.runtime._event_bus import owned_by
from roost.runtime._graph import connect, has_on_demand, waves
from roost.runtime._needs import Need, read_needs
from roost.runtime._node import Node, ServiceNode
from roost.runtime._plugin import AnyRuntime, Plugin
from roost.runtime._providers import Providers
from roost.runtime._reason import reason_of
from roost.runtime._service import kebab_case
from roost.runtime._settings import SettingInUse, Settings, SettingsSources
from roost.runtime._suggestions import closest


class Assembly:
    """What a runtime is made of, from one start to the next.

    Args:
        runtime: The runtime, for services that ask for it.
        plugins: The plugins, in the order in which their services are registered.
        services: The runtime's own services.
        settings: Where the values of settings classes come from.
        overrides: For classes of services what takes their place.

    Attributes:
        nodes: The services in registration order; those on demand behind them.
        is_constructed: Whether all of them are constructed.

    Raises:
        RuntimeFault: Names clash, or needs can't be met.
    """

    def __init__(
        self,
        runtime: AnyRuntime,
        *,
        plugins: Sequence[Plugin],
        services: Sequence[Any],
        settings: SettingsSources,
        overrides: Mapping[type, Any],
    ) -> None:
        """Draw the graph; nothing is constructed yet."""
        self._runtime = runtime
        self._settings = Settings(settings)
        self._overrides = overrides
        self._needs_of: dict[object, tuple[Need, ...]] = {}
        self._plugins = {plugin.name for plugin in plugins}
        self.nodes = [self._node(provider, plugin) for plugin in plugins for provider in plugin.services]
        self.nodes += [self._node(provider, None) for provider in services]
        self._by_name: dict[str, Node] = {}
        self._by_service_type: dict[str, list[Node]] = {}
        self._settings_classes: dict[str, list[type]] = {}
        for node in self.nodes:
            self._name(node)
        self._providers = Providers(self.nodes)
        connect(self.nodes, self._providers, self._on_demand)
        self._in_order = waves(self.nodes)
        self._by_identity: dict[int, Node] = {}
        self.is_constructed = False

    def construct(self) -> None:
        """Construct the services, each after those that it needs.

        Raises:
            ConstructionFailed: A constructor raised.
            InvalidSettings: Settings are missing, unknown or refused.
        """
        self._refuse_misspelt_settings()
        for wave in self._in_order:
            for node in wave:
                self._construct(node)
        self.is_constructed = True

    def waves(self) -> list[tuple[str, ...]]:
        """Return the services' names in groups that need only the groups before them."""
        return [tuple(node.name for node in wave) for wave in waves(self.nodes)]

    def graph(self) -> tuple[ServiceNode, ...]:
        """Return the services with what they need, as plain data, in registration order."""
        level = {node: number for number, wave in enumerate(waves(self.nodes), start=1) for node in wave}
        return tuple(
            ServiceNode(
                name=node.name,
                plugin=None if node.plugin is None else node.plugin.name,
                service_type=node.service_type,
                needs=tuple(needed.name for needed in node.edges),
                wave=level[node],
                location=node.location,
            )
            for node in self.nodes
        )

    def explain_settings(self) -> list[SettingInUse]:
        """Return all settings that services ask for, with the origin of each; errors as of `construct`."""
        self._refuse_misspelt_settings()
        return [
            setting
            for section, classes in self._settings_classes.items()
            for cls in classes
            for setting in self._settings.explain(cls, section=section, beside=classes)
        ]

    def get_settings(self, cls: type, section: str) -> Any:  # noqa: ANN401 -- an instance of `cls`
        """Return a settings class filled from a section; errors as of `Settings.fill`."""
        return self._settings.fill(cls, section=section, beside=self._settings_classes.get(section, ()))

    def add(self, plugin: Plugin) -> list[Node]:
        """Construct the services of one more plugin.

        Returns:
            Its nodes, and those that are provided on demand for them.

        Raises:
            RuntimeFault: Names clash, needs can't be met, or a constructor raised; nothing is added then.
        """
        added = [self._node(provider, plugin) for provider in plugin.services]
        names = {node.name: _section(node) for node in (*self.nodes, *added)}
        self._settings.refuse_misspelt({*self._plugins, plugin.name}, names)
        named: list[Node] = []
        try:
            for node in added:
                self._name(node)
                named.append(node)
                self._providers.add(node)
            connect(added, self._providers, self._on_demand)
            for wave in waves(added):
                for node in wave:
                    self._construct(node)
        except BaseException:
            self.remove(named + [node for node in added if node.on_demand])
            raise
        self.nodes += added
        return added

    def remove(self, nodes: Sequence[Node]) -> None:
        """Forget services."""
        gone = set(nodes)
        self.nodes = [node for node in self.nodes if node not in gone]
        for node in gone:
            self._unname(node)
            self._settings_classes.pop(_section(node), None)  # a plugin's services go all together
            self._providers.remove(node)
            self._by_identity.pop(id(node.instance), None)

    def dependents_of(self, plugins: set[str]) -> set[str]:
        """Return the other plugins whose services need one of these plugins' services, and ``""`` for the runtime's own."""
        owners = [(node, node.plugin.name if node.plugin is not None else "") for node in self.nodes]
        theirs = {node for node, owner in owners if owner in plugins}
        return {owner for node, owner in owners if owner not in plugins and theirs.intersection(node.edges)}

    def find(self, wanted: object) -> Node | None:
        """Return the node of a class or a name that is constructed; a class that can be had on demand is so provided.

        Raises:
            AmbiguousProvider: Several services satisfy the class.
            TypeError: It is neither a class nor a name.
        """
        key = _class_or_name(wanted)
        if isinstance(key, str):
            node = self._by_name.get(key)
        else:
            node = self._providers.one(key)
            if node is None and has_on_demand(key):
                node = self._provide(key)
        return None if node is None or node.instance is None else node

    def has(self, wanted: object) -> bool:
        """Tell whether there is a service of a class or a name; none is provided on demand. Errors as of `find`."""
        key = _class_or_name(wanted)
        return key in self._by_name if isinstance(key, str) else bool(self._providers.of(key))

    def of_type(self, service_type: object) -> list[Any]:
        """Return the services of a type, which is a class or what their ``service_type`` says, in registration order.

        Raises:
            TypeError: It is neither a class nor a string.
        """
        key = _class_or_name(service_type)
        nodes = self._by_service_type.get(key, ()) if isinstance(key, str) else self._providers.of(key)
        return [node.instance for node in nodes if node.instance is not None]

    def of_instance(self, service: object) -> Node | None:
        """Return the node of a service; None for anything else."""
        node = self._by_identity.get(id(service))
        return node if node is not None and node.instance is service else None

    def not_found(self, wanted: object) -> ServiceNotFound:
        """Return the error for a lookup that found nothing."""
        if isinstance(wanted, str):
            return ServiceNotFound(wanted=wanted, suggestions=closest(wanted, list(self._by_name)))
        name = getattr(wanted, "__name__", str(wanted))
        return ServiceNotFound(wanted=name, suggestions=closest(name, [node.cls.__name__ for node in self.nodes]))

    def _name(self, node: Node) -> None:
        other = self._by_name.setdefault(node.name, node)
        if other is not node:
            raise DuplicateService(name=node.name, locations=(other.location, node.location))
        if node.service_type is not None:
            self._by_service_type.setdefault(node.service_type, []).append(node)
        for need in node.needs:
            if need.kind == "settings" and need.wanted not in (classes := self._settings_classes.setdefault(_section(node), [])):
                classes.append(need.wanted)

    def _unname(self, node: Node) -> None:
        del self._by_name[node.name]
        if node.service_type is not None:
            self._by_service_type[node.service_type].remove(node)

    def _node(self, provider: Any, plugin: Plugin | None) -> Node:  # noqa: ANN401 -- a class or an instance
        cls = provider if isinstance(provider, type) else type(provider)
        name = getattr(provider, "service_name", None) or kebab_case(cls.__name__)
        stands_for = cls if cls in self._overrides else None
        provider = self._overrides.get(cls, provider)
        needs = self._needs(provider) if isinstance(provider, type) else ()
        node = Node(name=name, provider=provider, plugin=plugin, needs=needs, stands_for=stands_for)
        check_service(node.cls, name=name)
        return node

    def _needs(self, cls: type) -> tuple[Need, ...]:
        # Plugins' services often share the constructor of one base class, and annotations take long to read.
        constructor = cls.__init__  # type: ignore[misc]  # the class's own, looked up on the class on purpose
        needs = self._needs_of.get(constructor)
        if needs is None:
            needs = self._needs_of[constructor] = read_needs(cls, runtime_class=type(self._runtime))
        return needs

    def _provide(self, cls: type) -> Node:
        """Make a service on demand after all others; nothing is left of it where that fails."""
        node = self._on_demand(cls)
        try:
            self._construct(node)
        except BaseException:
            self._unname(node)
            raise
        self.nodes.append(node)
        self._providers.add(node)
        return node

    def _on_demand(self, cls: Any) -> Node:  # noqa: ANN401 -- a class with on_demand
        name = getattr(cls, "service_name", None) or kebab_case(cls.__name__)
        node = self._node(cls, None) if cls in self._overrides else Node(name=name, provider=cls, plugin=None)
        node.on_demand = True
        self._name(node)
        return node

    def _construct(self, node: Node) -> None:
        if node.on_demand and node.stands_for is None:
            node.instance = node.provider.on_demand(self._runtime)
        elif isinstance(node.provider, type):
            arguments = {need.parameter: self._argument(node, need) for need in node.needs if not self._is_left_out(node, need)}
            try:
                with owned_by(None if node.plugin is None else node.plugin.name):
                    node.instance = node.provider(**arguments)
            except InvalidService:
                raise
            except Exception as error:
                raise ConstructionFailed(service=node.name, location=node.location, reason=reason_of(error)) from error
        else:
            node.instance = node.provider
        self._by_identity[id(node.instance)] = node

    def _argument(self, node: Node, need: Need) -> Any:  # noqa: ANN401 -- whatever the constructor takes
        match need.kind:
            case "runtime":
                return self._runtime
            case "plugin":
                return node.plugin
            case "settings":
                section = _section(node)
                return self._settings.fill(need.wanted, section=section, beside=self._settings_classes[section])
            case "services":
                return [other.instance for other in self._providers.of(need.wanted) if other is not node]
            case "service":
                found = self._providers.one(need.wanted, asker=node)
                return None if found is None else found.instance

    def _refuse_misspelt_settings(self) -> None:
        self._settings.refuse_misspelt(self._plugins, {node.name: _section(node) for node in self.nodes})

    def _is_left_out(self, node: Node, need: Need) -> bool:
        return need.kind == "service" and need.has_default and self._providers.one(need.wanted, asker=node) is None


def _class_or_name(wanted: object) -> type | str:
    """Return what a lookup asks for; ``Store[int]`` asks for ``Store``, as its services can't be told from others at run time."""
    origin = typing.get_origin(wanted)
    key = wanted if origin is None else origin
    if not isinstance(key, type | str) or origin in (types.UnionType, typing.Annotated):
        raise TypeError(f"services are looked up by a class or a name, not by {wanted!r}")
    return key


def _section(node: Node) -> str:
    return node.plugin.name if node.plugin is not None else node.name
