"""Loads and unloads plugins of a runtime, one after another, each as a whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence

from roost.errors import RuntimeBusy
from roost.runtime._arrangement import Arrangement
from roost.runtime._changes import Changes
from roost.runtime._clock import now
from roost.runtime._composition import Composition
from roost.runtime._event_bus import EventBus, present_owner
from roost.runtime._events import PluginLoadFinished, PluginLoadStarted, PluginUnloadFinished, PluginUnloadStarted
from roost.runtime._lifecycle import Lifecycle
from roost.runtime._node import Node
from roost.runtime._plugin import Plugin
from roost.runtime._unit import Unit


class Loading:
    """What changes the parts of a runtime together.

    Args:
        composition: Which plugins there are, and their services.
        arrangement: The units of these.
        lifecycle: What starts and stops them.
        events: Where it is told, and what plugins subscribe to.
    """

    def __init__(self, composition: Composition, arrangement: Arrangement, lifecycle: Lifecycle, events: EventBus) -> None:
        self._composition = composition
        self._arrangement = arrangement
        self._lifecycle = lifecycle
        self._events = events
        self._changes = Changes()

    async def load(self, plugin: Plugin) -> None:
        """Add a plugin, and start it where the runtime is started; errors as of `Runtime.load_plugin`."""
        wish = f"load plugin {getattr(plugin, 'name', plugin)}"
        async with self._changes.one(wish):
            self._lifecycle.refuse_change(wish)
            is_live = self._lifecycle.is_live
            known = self._composition.plugins
            try:
                nodes = self._composition.add(plugin, construct=is_live)
            except BaseException:
                if all(plugin.name != other.name for other in known):
                    self._events.drop(plugin.name)  # what its constructors have subscribed by then
                raise
            if is_live:
                await self._start(plugin, nodes)

    async def unload(self, name: str, *, cascade: bool) -> None:
        """Take a plugin out, and stop it; arguments and errors as of `Runtime.unload_plugin`."""
        wish = f"unload plugin {name}"
        async with self._changes.one(wish):
            gone = self._composition.removable(name, cascade=cascade)
            self._lifecycle.refuse_change(wish)
            if present_owner() in gone:
                raise RuntimeBusy(wish=f"{wish} by one of its own tasks, which would wait for its own end")
            await self._stop(gone)

    async def _start(self, plugin: Plugin, nodes: list[Node]) -> None:
        began = now()
        failure: BaseException | None = None
        self._events.emit(PluginLoadStarted(plugin=plugin.name))
        try:
            await self._lifecycle.extend(self._arrangement.extend(nodes, plugin))
        except BaseException as error:
            failure = error
            on_demand = [node for node in nodes if node.on_demand]
            begun = [*self._arrangement.of_plugin(plugin.name), *(self._arrangement.unit("service", node.name) for node in on_demand)]
            self._forget({plugin.name}, begun, on_demand)
            raise
        finally:
            self._events.emit(PluginLoadFinished(plugin=plugin.name, duration=now() - began, error=failure))

    async def _stop(self, gone: set[str]) -> None:
        began = now()
        failure: BaseException | None = None
        units = [unit for one in gone for unit in self._arrangement.of_plugin(one)]
        for one in gone:
            self._events.emit(PluginUnloadStarted(plugin=one))
        try:
            await self._lifecycle.take_out(units)
        except BaseException as error:
            failure = error
            raise
        finally:
            self._forget(gone, units)
            for one in gone:
                self._events.emit(PluginUnloadFinished(plugin=one, duration=now() - began, error=failure))

    def _forget(self, plugins: set[str], units: Sequence[Unit], nodes: Sequence[Node] = ()) -> None:
        self._arrangement.remove(units)
        self._composition.remove(plugins, nodes=nodes)
        for name in plugins:
            self._events.drop(name)
