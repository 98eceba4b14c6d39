"""The runtime: constructs services, starts them in the order of their needs, watches them, and stops them in reverse."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from typing_extensions import TypeForm

from roost.errors import ReadyTimeout, RuntimeBusy
from roost.runtime._arrangement import Arrangement
from roost.runtime._composition import Composition
from roost.runtime._discovery import discover_plugins
from roost.runtime._event_bus import EventBus
from roost.runtime._health import ServiceHealth, check_health
from roost.runtime._lifecycle import Lifecycle
from roost.runtime._limits import Limits
from roost.runtime._loading import Loading
from roost.runtime._log import log_to
from roost.runtime._main import main, run_until_signal
from roost.runtime._node import ServiceNode
from roost.runtime._plugin import Plugin
from roost.runtime._settings import SettingInUse, SettingsSources
from roost.runtime._unit import Unit, UnitStatus

T = TypeVar("T")
S = TypeVar("S")


class Runtime:
    """Manages the services of plugins: ``async with Runtime(plugins=[…], database="postgresql://…") as runtime: …``.

    It may be entered in one task and left in another, and started again after a stop; the services are then made anew. When a
    running service crashes, the task inside ``async with`` is cancelled, everything is stopped, and the crash is raised there;
    after a plain `start` it ends `wait`.

    Args:
        plugins: What to run.
        services: Services of the application itself: classes or ready instances.
        database: A URL, or an object that a higher floor understands; the runtime only keeps it.
        config: How migrations run; kept for the orchestrator.
        settings: Where the settings of services come from: mappings, paths of TOML files, `SettingsFile` and `Environment`, one or
            several; what a later one says counts. Each holds a section for a plugin's name, or a service's where it has no plugin.
        auto_migrate: Whether the start migrates.
        allow_unmigrated: Whether services start although migrations are pending and `auto_migrate` is off.
        start_timeout: Seconds that the start may take in all.
        stop_timeout: Seconds that the stop may take in all.
        drain_timeout: Seconds of these in which services may finish what they have in hand.

    Attributes:
        config: As given.
        auto_migrate: As given.
        allow_unmigrated: As given.
        limits: The three time-outs.
        events: What happens to the runtime.

    Raises:
        TypeError: `plugins` or `services` is no sequence.
        ValueError: A time-out is no number of seconds.
        DuplicatePlugin: Two plugins have one name.
        PluginMissing: A plugin needs one that is not there.
        PluginVersionMismatch: A plugin needs another version of one.
        PluginCycle: Plugins need each other in a circle.
    """

    def __init__(
        self,
        *,
        plugins: Sequence[Plugin] = (),
        services: Sequence[Any] = (),
        database: object | None = None,
        config: object | None = None,
        settings: SettingsSources = (),
        auto_migrate: bool = True,
        allow_unmigrated: bool = False,
        start_timeout: float = 60.0,
        stop_timeout: float = 25.0,
        drain_timeout: float = 10.0,
    ) -> None:
        """Check the plugins; nothing is constructed yet."""
        self._database = database
        self.config = config
        self.auto_migrate = auto_migrate
        self.allow_unmigrated = allow_unmigrated
        self.events: EventBus = EventBus()
        log_to(self.events)
        self.limits: Limits = Limits(start=start_timeout, drain=drain_timeout, stop=stop_timeout)
        self._lifecycle = Lifecycle(self.events, self.limits)
        self._arrangement = Arrangement(self, watch=self._lifecycle)
        self._composition = Composition(self, plugins=plugins, services=services, settings=settings)
        self._loading = Loading(self._composition, self._arrangement, self._lifecycle, self.events)
        self._was_started = False

    @property
    def plugins(self) -> tuple[Plugin, ...]:
        """The plugins, as given."""
        return self._composition.plugins

    @property
    def database(self) -> object | None:
        """The database, as given; it may be set until the runtime starts.

        Raises:
            RuntimeBusy: Set on a runtime that is started.
        """
        return self._database

    @database.setter
    def database(self, database: object | None) -> None:
        if self._lifecycle.is_live:
            raise RuntimeBusy(wish="set the database of a runtime that is started")
        self._database = database
        self._composition.forget()

    def plan(self) -> list[tuple[str, ...]]:
        """Return the names of the services in waves: each needs only those before it.

        Raises:
            RuntimeFault: A service can't be constructed, or its needs can't be met.
        """
        return self._composition.assembly.waves()

    def graph(self) -> tuple[ServiceNode, ...]:
        """Return all services with what they need, as plain data, in registration order. Nothing is constructed for it.

        Raises:
            RuntimeFault: Services clash, or their needs can't be met.
        """
        return self._composition.draw().graph()

    def get_settings(self, cls: type[S], section: str) -> S:
        """Return a settings dataclass or pydantic model filled from a section, as services get it; for hooks and applications.

        Args:
            cls: The class.
            section: A plugin's name, or another section's.

        Raises:
            InvalidSettings: Values are missing, unknown or not what the fields ask for.
        """
        filled: S = self._composition.draw().get_settings(cls, section)
        return filled

    def explain_settings(self) -> list[SettingInUse]:
        """Return each setting that services ask for, with its value and where that comes from; secrets are hidden.

        Raises:
            InvalidSettings: As of `get_settings`.
        """
        return self._composition.draw().explain_settings()

    def plugin_of(self, service: object) -> Plugin | None:
        """Return the plugin that brought a service; None for the runtime's own."""
        node = self._composition.assembly.of_instance(service)
        return None if node is None else node.plugin

    @overload
    def get_service(self, wanted: str) -> Any: ...
    @overload
    def get_service(self, wanted: type[T]) -> T: ...
    @overload
    def get_service(self, wanted: TypeForm[T]) -> T: ...
    def get_service(self, wanted: object) -> Any:
        """Return the service of a class, or of a name.

        Args:
            wanted: A class, abstract base or Protocol that one service satisfies, or a service's name.

        Returns:
            The service.

        Raises:
            ServiceNotFound: There is none.
            AmbiguousProvider: Several satisfy it.
            TypeError: What is wanted is neither a class nor a name.
        """
        found = self._composition.found.get(wanted)
        if found is None:
            found = self._find(wanted)
            if found is None:
                raise self._composition.assembly.not_found(wanted)
        return found

    @overload
    def find_service(self, wanted: str) -> Any: ...
    @overload
    def find_service(self, wanted: type[T]) -> T | None: ...
    @overload
    def find_service(self, wanted: TypeForm[T]) -> T | None: ...
    def find_service(self, wanted: object) -> Any:
        """Return the service of a class or a name, or None; errors as of `get_service`."""
        found = self._composition.found.get(wanted)
        return self._find(wanted) if found is None else found

    def has_service(self, wanted: object) -> bool:
        """Tell whether there is a service of a class or a name; nothing is provided on demand by this. Errors as of `get_service`."""
        return self._composition.assembly.has(wanted)

    @overload
    def get_services_by_type(self, service_type: str) -> list[Any]: ...
    @overload
    def get_services_by_type(self, service_type: type[T]) -> list[T]: ...
    @overload
    def get_services_by_type(self, service_type: TypeForm[T]) -> list[T]: ...
    def get_services_by_type(self, service_type: object) -> list[Any]:
        """Return all services of a type, in registration order.

        Args:
            service_type: What their ``service_type`` says, or a class that they satisfy.

        Returns:
            A new list.
        """
        return self._composition.of_type(service_type)

    def get_all_services(self) -> list[Any]:
        """Return all services, in registration order; a new list."""
        return [node.instance for node in self._composition.assembly.nodes if node.instance is not None]

    def get_registered_service_types(self) -> list[str]:
        """Return the types that services name, each once, in registration order."""
        types = (node.service_type for node in self._composition.assembly.nodes)
        return list(dict.fromkeys(one for one in types if one is not None))

    async def start(self) -> None:
        """Start all services; a second call waits for the first, and one on a started runtime does nothing.

        When it is cancelled, and nobody else has asked for the start, everything is stopped again before the cancellation goes on.

        Raises:
            RuntimeBusy: It was stopped meanwhile.
            RuntimeFault: What is wrong with the services, or the one whose start failed; what was started is stopped again.
            Exception: What a plugin's hook or a preparer raised, such as a failed migration.
        """
        await self._lifecycle.start(self._arrange)

    async def stop(self) -> None:
        """Stop all services in reverse order; on a runtime that is not started it does nothing.

        Raises:
            RuntimeBusy: A service asks for it in its own stop or drain, which would wait for itself.
            RuntimeStopFailed: Services raised or hung while stopping; the others are stopped all the same.
        """
        await self._lifecycle.stop()

    async def wait(self) -> None:
        """Wait until the runtime is stopped; until the next start it raises what its last life ended with.

        Raises:
            ServiceTaskCrashed: A service's crash stopped it.
            RuntimeCrashed: A service's crash stopped it, and not everything stopped cleanly.
            RuntimeStopFailed: It could not be stopped cleanly.
        """
        await self._lifecycle.wait()

    async def run(self) -> None:
        """Start, wait for SIGINT or SIGTERM or a crash, and stop; a second signal ends the process at once.

        Raises:
            Exception: As `start`, `wait` and `stop` raise it.
        """
        await run_until_signal(self)

    def main(self) -> int:
        """Do what `run` does in an event loop of its own, as a whole program: ``sys.exit(runtime.main())``.

        Returns:
            The exit code: 0 after a signal and a clean stop, 1 after an error, which standard error tells.
        """
        return main(self)

    @property
    def is_ready(self) -> bool:
        """Whether all services are started and nobody has asked for a stop: whether to send requests here."""
        return self._lifecycle.is_up

    def is_up(self, wanted: object) -> bool:
        """Tell whether a service is started and not stopped, be it degraded or on its way back from a crash.

        Args:
            wanted: Its class or name.

        Returns:
            False also where there is no such service, and outside of the runtime's life.

        Raises:
            AmbiguousProvider: Several satisfy it.
            TypeError: What is wanted is neither a class nor a name.
        """
        if not self._lifecycle.is_live or not self._composition.assembly.has(wanted):
            return False
        node = self._composition.assembly.find(wanted)
        return node is not None and self._arrangement.unit("service", node.name).is_up

    async def health(self) -> tuple[ServiceHealth, ...]:
        """Ask the services how they are: those that have an async ``health``, all at once.

        A check that raises, or takes longer than the class's ``health_timeout`` (5 s), is unhealthy; what it returns are details.
        """
        nodes = self._composition.assembly.nodes
        return await check_health([(node, self._arrangement.unit("service", node.name)) for node in nodes])

    @overload
    async def ready(self, wanted: str, timeout: float | None = None) -> Any: ...
    @overload
    async def ready(self, wanted: type[T], timeout: float | None = None) -> T: ...
    @overload
    async def ready(self, wanted: TypeForm[T], timeout: float | None = None) -> T: ...
    async def ready(self, wanted: object, timeout: float | None = None) -> Any:
        """Wait until a service is started.

        Args:
            wanted: Its class or name.
            timeout: Seconds to wait; None waits as long as the start takes.

        Returns:
            The service.

        Raises:
            ServiceNotFound: There is none.
            ReadyTimeout: It was not started in time.
            Exception: The error that its start failed with.
        """
        node = self._composition.assembly.find(wanted)
        if node is None:
            raise self._composition.assembly.not_found(wanted)
        unit = self._arrangement.unit("service", node.name)
        try:
            async with asyncio.timeout(timeout):
                await unit.decided()
        except TimeoutError:
            if unit.is_decided:  # the start itself failed with a TimeoutError
                raise
            raise ReadyTimeout(service=node.name, timeout=timeout or 0.0, state=unit.state) from None
        return node.instance

    async def load_plugin(self, plugin: Plugin) -> None:
        """Add a plugin; on a started runtime migrate it, then start its services, or undo all of it.

        Loads happen one after another. Services that are there already don't see those of the new plugin unless they look.

        Args:
            plugin: The plugin.

        Raises:
            DuplicatePlugin: There is one of that name.
            PluginMissing: It needs a plugin that is not there.
            PluginVersionMismatch: It needs another version of one.
            RuntimeBusy: The runtime is starting or stopping, or a hook or a service that is being loaded or unloaded asks.
            RuntimeFault: Its services can't be constructed, or one failed to start.
            Exception: What its hook or its migrations raised.
        """
        await self._loading.load(plugin)

    async def unload_plugin(self, name: str, *, cascade: bool = False) -> None:
        """Take a plugin out: stop its services, then call its `dispose`; the rest runs on.

        Args:
            name: The plugin.
            cascade: Whether plugins that need it are taken out before it.

        Raises:
            PluginNotLoaded: There is none of that name.
            PluginInUse: Others need it, and `cascade` is off; or the runtime's own services do.
            RuntimeBusy: The runtime is starting or stopping, or one of the plugin's own tasks asks.
            RuntimeStopFailed: Services or hooks raised or hung; everything of the plugin is taken out all the same.
        """
        await self._loading.unload(name, cascade=cascade)

    def override(self, replacements: Mapping[type, Any]) -> AbstractContextManager[object]:
        """Let other services take the place of some, for tests: ``with runtime.override({Mailer: FakeMailer}): …``.

        A replacement is found by the class that it replaces, and has its name.

        Args:
            replacements: For a service's class another class, or a ready instance.

        Returns:
            A context manager whose end takes it back; without ``with`` it stays.

        Raises:
            RuntimeBusy: The runtime is started.
            ServiceNotFound: Nobody brings one of the classes.
            RuntimeFault: The services, as they are, don't go together.
        """
        if self._lifecycle.is_live:
            raise RuntimeBusy(wish="replace services: it is started")
        restore = self._composition.override(replacements, is_live=lambda: self._lifecycle.is_live)
        taking_back = ExitStack()
        taking_back.callback(restore)
        return taking_back

    @classmethod
    def discover(cls, *names: str, plugins: Sequence[Plugin] = (), **options: Any) -> Self:
        """Return a runtime of plugins that installed packages offer under the entry point group ``roost.plugins``.

        Args:
            *names: The plugins to import, and no others; ``"*"`` imports all there are.
            plugins: Further plugins.
            **options: As of `Runtime`.

        Raises:
            PluginNotInstalled: No installed package offers a name.
            RuntimeFault: As of `Runtime`.
        """
        return cls(plugins=(*discover_plugins(*names), *plugins), **options)

    def status(self) -> tuple[UnitStatus, ...]:
        """Return where everything stands, as plain data: services in registration order, preparers, plugins."""
        return tuple(unit.status() for unit in self._arrangement.units())

    async def __aenter__(self) -> Self:
        await self.start()
        await self._lifecycle.enter()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        await self._lifecycle.leave(error)

    def _find(self, wanted: object) -> Any:
        node, is_new = self._composition.find(wanted)
        if node is None:
            return None
        if is_new:
            self._lifecycle.adopt(self._arrangement.of_service(node))
        return node.instance

    def _arrange(self) -> list[Unit]:
        if self._was_started:  # until now, what the last life left could be looked at
            self._composition.forget()
        self._was_started = True
        return self._arrangement.arrange(self._composition.assembly, self.plugins, self._composition.dependencies)
