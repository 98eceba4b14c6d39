"""In which order migration services run. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from roost.errors import UnknownMigrationPlugin
from roost.runtime import closest

if TYPE_CHECKING:
    from roost.migrations._protocol import IMigrationService

    S = TypeVar("S", bound=IMigrationService)
else:
    S = TypeVar("S")

DATABASE_MIGRATION = "database-migration"


def sort_services(
    services: Sequence[S],
    *,
    plugin_of: Mapping[str, str],
    dependencies: Mapping[str, frozenset[str]],
    priorities: Mapping[str, int],
) -> list[S]:
    """Order services: ``database-migration`` first; then as plugins depend on each other; then by priority; then by name.

    Args:
        services: The services; the list is left as it is.
        plugin_of: The plugin of a service, by the service's name.
        dependencies: The plugins that a plugin needs, directly.
        priorities: The priority of a service, by the service's name; higher runs first.

    Returns:
        A new list.
    """

    def rank(service: S) -> tuple[bool, int, str]:
        name = service.service_name
        return name != DATABASE_MIGRATION, -priorities.get(name, 0), name

    waiting = sorted(services, key=rank)
    plugins = [plugin_of.get(service.service_name, "") for service in waiting]
    needed = {plugin: _reachable(plugin, dependencies) - {plugin} for plugin in plugins}
    unmet = Counter(plugin for service, plugin in zip(waiting, plugins, strict=True) if service.service_name != DATABASE_MIGRATION)
    ordered: list[S] = []
    while waiting:
        # The best of those whose plugins' needs are met; priority never overtakes a dependency.
        for place, (service, plugin) in enumerate(zip(waiting, plugins, strict=True)):
            is_first = service.service_name == DATABASE_MIGRATION
            if is_first or not any(unmet[other] for other in needed[plugin]):
                unmet[plugin] -= not is_first
                ordered.append(service)
                del waiting[place], plugins[place]
                break
        else:  # a cycle, which the runtime refuses long before; without this it would never end
            ordered.extend(waiting)
            break
    return ordered


def services_of(plugin: str, services: Sequence[S], *, plugins_of: Callable[[S], Collection[str]]) -> list[S]:
    """Return the services that migrate a plugin, in their order.

    Raises:
        UnknownMigrationPlugin: There is none.
    """
    found = [service for service in services if plugin in plugins_of(service)]
    if not found:
        known = tuple(sorted({name for service in services for name in plugins_of(service)}))
        raise UnknownMigrationPlugin(plugin=plugin, known=known, suggestions=closest(plugin, known))
    return found


def _reachable(plugin: str, dependencies: Mapping[str, frozenset[str]]) -> frozenset[str]:
    found: set[str] = set()
    frontier = [plugin]
    while frontier:
        for name in dependencies.get(frontier.pop(), frozenset()):
            if name not in found:
                found.add(name)
                frontier.append(name)
    return frozenset(found)
