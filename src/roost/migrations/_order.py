"""In which order migration services run. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

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
    by_plugin: dict[str, list[S]] = {}
    for service in waiting:
        by_plugin.setdefault(plugin_of.get(service.service_name, ""), []).append(service)
    needed = {plugin: _reachable(plugin, dependencies) for plugin in by_plugin}
    ordered: list[S] = []
    while waiting:
        # The best of those whose plugins' needs are met; priority never overtakes a dependency.
        unmet = {plugin_of.get(service.service_name, "") for service in waiting if service.service_name != DATABASE_MIGRATION}
        for service in waiting:
            plugin = plugin_of.get(service.service_name, "")
            if service.service_name == DATABASE_MIGRATION or not (needed[plugin] - {plugin}) & unmet:
                ordered.append(service)
                waiting.remove(service)
                break
        else:  # a cycle, which the runtime refuses long before; without this it would never end
            ordered.extend(waiting)
            break
    return ordered


def _reachable(plugin: str, dependencies: Mapping[str, frozenset[str]]) -> frozenset[str]:
    found: set[str] = set()
    frontier = [plugin]
    while frontier:
        for name in dependencies.get(frontier.pop(), frozenset()):
            if name not in found:
                found.add(name)
                frontier.append(name)
    return frozenset(found)
