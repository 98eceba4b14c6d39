"""The runtime: constructs services, starts them in the order of their needs, watches them, and stops them in reverse."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from typing_extensions import TypeForm

from roost.errors import ReadyTimeout, RuntimeBusy
from roost.runtime._arrangement import Arrangement
from roost.runtime._assembly import Assembly
from roost.runtime._events import EventBus
from roost.runtime._lifecycle import Lifecycle
from roost.runtime._plugin import Plugin, check_plugins
from roost.runtime._unit import Unit, UnitStatus

T = TypeVar("T")


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
        settings: For each plugin's name (or service's, where it has no plugin) a mapping of values for its settings dataclasses.
        auto_migrate: Whether the start migrates.
        allow_unmigrated: Whether services start although migrations are pending and `auto_migrate` is off.
        start_timeout: Seconds that the start may take in all.
        stop_timeout: Seconds that the stop may take in all.

    Raises:
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
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        auto_migrate: bool = True,
        allow_unmigrated: bool = False,
        start_timeout: float = 60.0,
        stop_timeout: float = 25.0,
    ) -> None:
        """Check the plugins; nothing is constructed yet."""
        self._plugins = tuple(plugins)
        self._dependencies = check_plugins(self._plugins)
        self._own_services = tuple(services)
        self._database = database
        self.config = config
        self.settings: Mapping[str, Mapping[str, Any]] = settings or {}
        self.auto_migrate = auto_migrate
        self.allow_unmigrated = allow_unmigrated
        self.start_timeout = start_timeout
        self.stop_timeout = stop_timeout
        self.events = EventBus()
        self._lifecycle = Lifecycle(self.events)
        self._arrangement = Arrangement(self, watch=self._lifecycle)
        self._assembly: Assembly | None = None
        self._was_started = False
        self._found: dict[object, Any] = {}
        self._found_types: dict[object, list[Any]] = {}

    @property
    def plugins(self) -> tuple[Plugin, ...]:
        """The plugins, as given."""
        return self._plugins

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
        self._forget()

    def plan(self) -> list[tuple[str, ...]]:
        """Return the names of the services in waves: each needs only those before it.

        Raises:
            RuntimeFault: A service can't be constructed, or its needs can't be met.
        """
        return [tuple(node.name for node in wave) for wave in self._assembled().waves]

    def plugin_of(self, service: object) -> Plugin | None:
        """Return the plugin that brought a service; None for the runtime's own."""
        node = self._assembled().of_instance(service)
        return None if node is None else node.plugin

    @overload
    def get_service(self, wanted: str) -> Any: ...
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
        """
        found = self._found.get(wanted)
        if found is None:
            found = self._find(wanted)
            if found is None:
                raise self._assembled().not_found(wanted)
        return found

    @overload
    def find_service(self, wanted: str) -> Any: ...
    @overload
    def find_service(self, wanted: TypeForm[T]) -> T | None: ...
    def find_service(self, wanted: object) -> Any:
        """Return the service of a class or a name, or None; errors as of `get_service`."""
        found = self._found.get(wanted)
        return self._find(wanted) if found is None else found

    def has_service(self, wanted: object) -> bool:
        """Tell whether there is a service of a class or a name; nothing is provided on demand by this."""
        return self._assembled().has(wanted)

    @overload
    def get_services_by_type(self, service_type: str) -> list[Any]: ...
    @overload
    def get_services_by_type(self, service_type: TypeForm[T]) -> list[T]: ...
    def get_services_by_type(self, service_type: object) -> list[Any]:
        """Return all services of a type, in registration order.

        Args:
            service_type: What their ``service_type`` says, or a class that they satisfy.

        Returns:
            A new list.
        """
        found = self._found_types.get(service_type)
        if found is None:
            assembly = self._assembled()
            found = assembly.of_type(service_type)
            if assembly.is_constructed:  # a constructor that looks around sees what is made before it
                self._found_types[service_type] = found
        return found.copy()

    def get_all_services(self) -> list[Any]:
        """Return all services, in registration order; a new list."""
        return [node.instance for node in self._assembled().nodes if node.instance is not None]

    def get_registered_service_types(self) -> list[str]:
        """Return the types that services name, each once, in registration order."""
        types = (getattr(node.cls, "service_type", None) for node in self._assembled().nodes)
        return list(dict.fromkeys(one for one in types if one is not None))

    async def start(self) -> None:
        """Start all services; a second call waits for the first, and one on a started runtime does nothing.

        Raises:
            RuntimeFault: What is wrong with the services, or the one whose start failed; what was started is stopped again.
            Exception: What a plugin's hook or a preparer raised, such as a failed migration.
        """
        await self._lifecycle.start(self._arrange, start_timeout=self.start_timeout, stop_timeout=self.stop_timeout)

    async def stop(self) -> None:
        """Stop all services in reverse order; on a runtime that is not started it does nothing.

        Raises:
            RuntimeStopFailed: Services raised or hung while stopping; the others are stopped all the same.
        """
        await self._lifecycle.stop()

    async def wait(self) -> None:
        """Wait until the runtime is stopped.

        Raises:
            ServiceTaskCrashed: A service's crash stopped it.
            RuntimeStopFailed: It could not be stopped cleanly.
        """
        await self._lifecycle.wait()

    @overload
    async def ready(self, wanted: str, timeout: float | None = None) -> Any: ...
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
        node = self._assembled().find(wanted)
        if node is None:
            raise self._assembled().not_found(wanted)
        unit = self._arrangement.unit("service", node.name)
        try:
            async with asyncio.timeout(timeout):
                await unit.decided()
        except TimeoutError:
            if unit.is_decided:  # the start itself failed with a TimeoutError
                raise
            raise ReadyTimeout(service=node.name, timeout=timeout or 0.0, state=unit.state) from None
        return node.instance

    def status(self) -> tuple[UnitStatus, ...]:
        """Return where everything stands, as plain data: services in registration order, preparers, plugins."""
        return tuple(unit.status() for unit in self._arrangement.units())

    async def __aenter__(self) -> Self:
        await self.start()
        self._lifecycle.enter_body()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        await self._lifecycle.leave_body(error)

    def _find(self, wanted: object) -> Any:
        assembly = self._assembled()
        known = len(assembly.nodes)
        node = assembly.find(wanted)
        if node is None:
            return None
        if len(assembly.nodes) > known:
            self._found_types.clear()
            self._lifecycle.adopt(self._arrangement.of_service(node))
        self._found[wanted] = node.instance
        return node.instance

    def _assembled(self) -> Assembly:
        """Return the services, constructed at the first call."""
        if self._assembly is None:
            assembly = Assembly(self, plugins=self._plugins, services=self._own_services, settings=self.settings)
            self._assembly = assembly  # for the constructors that look around
            try:
                assembly.construct()
            except BaseException:
                self._forget()
                raise
        return self._assembly

    def _arrange(self) -> list[Unit]:
        if self._was_started:  # until now, what the last life left could be looked at
            self._forget()
        self._was_started = True
        return self._arrangement.arrange(self._assembled(), self._plugins, self._dependencies)

    def _forget(self) -> None:
        self._assembly = None
        self._found = {}
        self._found_types = {}
