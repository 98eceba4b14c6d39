"""Finds plugins that installed packages offer under the entry point group ``roost.plugins``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roost.errors import InvalidPlugin, PluginNotInstalled
from roost.runtime._plugin import Plugin
from roost.runtime._suggestions import closest

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "roost.plugins"
ALL = "*"


def available_plugins() -> tuple[str, ...]:
    """Return the names of the plugins that installed packages offer; none of them is imported."""
    return tuple(sorted(_offered()))


def discover_plugins(*names: str) -> tuple[Plugin, ...]:
    """Import the plugins of these names, and no others.

    Args:
        *names: Names of entry points; ``"*"`` alone imports all there are.

    Returns:
        The plugins, in the order of the names.

    Raises:
        PluginNotInstalled: No installed package offers a name.
        InvalidPlugin: What it offers is neither a `Plugin` nor a function that returns one, or can't be imported.
    """
    offered = _offered()
    wanted = tuple(offered) if names == (ALL,) else names
    return tuple(_load(name, offered) for name in wanted)


def _offered() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points  # noqa: PLC0415 -- as heavy as all the rest of this floor, and few look

    return {point.name: point for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)}


def _load(name: str, offered: dict[str, EntryPoint]) -> Plugin:
    point = offered.get(name)
    if point is None:
        raise PluginNotInstalled(name=name, available=tuple(offered), suggestions=closest(name, list(offered)))
    try:
        found = point.load()
        plugin = found() if callable(found) and not isinstance(found, type) else found
    except Exception as error:
        raise InvalidPlugin(name=name, reason=f"{point.value} can't be imported: {error!r}") from error
    if not isinstance(plugin, Plugin):
        raise InvalidPlugin(name=name, reason=f"{point.value} is {type(plugin).__name__}, neither a Plugin nor a function that returns one")
    return plugin
