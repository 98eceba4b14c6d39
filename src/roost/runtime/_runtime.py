"""The runtime: constructs services, starts them in the order of their needs, watches them, and stops them in reverse."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from typing_extensions import TypeForm

from roost.errors import ConstructionFailed, DuplicateService, ReadyTimeout, RuntimeBusy, ServiceNotFound, ServiceTaskCrashed
from roost.runtime._body import Body
from roost.runtime._events import EventBus, RuntimeStartFinished, RuntimeStartStarted, RuntimeStopFinished, RuntimeStopStarted
from roost.runtime._events import ServiceCrashed as ServiceCrashedEvent
from roost.runtime._graph import Node, closest, connect, find_node, has_on_demand, provides, read_needs, waves
from roost.runtime._plugin import Plugin, check_plugins
from roost.runtime._service import kebab_case
from roost.runtime._settings import fill_settings
from roost.runtime._startup import Sequencer, State, Unit

if TYPE_CHECKING:
    from roost.runtime._preparer import Preparer

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitStatus:
    """Where one service, preparer or plugin hook stands.

    Attributes:
        name: Its name.
        state: Its state.
        since: Seconds that it has been in this state.
        took: Seconds that its start took; None before it ended.
        error: The text of its last error.
        waits_for: What it waits for.
    """

    name: str
    state: State
    since: float
    took: float | None
    error: str | None
    waits_for: tuple[str, ...]


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
        self._needs = check_plugins(self._plugins)
        self._own_services = tuple(services)
        self._database = database
        self.config = config
        self.settings: Mapping[str, Mapping[str, Any]] = settings or {}
        self.auto_migrate = auto_migrate
        self.allow_unmigrated = allow_unmigrated
        self.start_timeout = start_timeout
        self.stop_timeout = stop_timeout
        self.events = EventBus()
        self._nodes: list[Node] | None = None
        self._instances: dict[Node, Any] = {}
        self._units: dict[Node | str, Unit] = {}
        self._sequencer: Sequencer | None = None
        self._host: asyncio.Task[None] | None = None
        self._started: asyncio.Future[None] | None = None
        self._stop_wish: asyncio.Event | None = None
        self._crash: ServiceTaskCrashed | None = None
        self._body: asyncio.Task[Any] | None = None
        self._body_cancelled = False

    # --- what it is made of ---

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
        if self._host is not None:
            raise RuntimeBusy(wish="set the database of a runtime that is started")
        self._database = database
        self._forget()

    def plan(self) -> list[tuple[str, ...]]:
        """Return the names of the services in waves: each needs only those before it.

        Raises:
            RuntimeFault: A service can't be constructed, or its needs can't be met.
        """
        return [tuple(node.name for node in wave) for wave in waves(self._assemble())]

    def plugin_of(self, service: object) -> Plugin | None:
        """Return the plugin that brought a service; None for the runtime's own."""
        for node in self._assemble():
            if self._instances.get(node) is service:
                return node.plugin
        return None

    # --- lookups ---

    def get_service(self, wanted: TypeForm[T] | str) -> T:
        """Return the service of a class, or of a name.

        Args:
            wanted: A class, abstract base or Protocol that one service satisfies, or a service's name.

        Returns:
            The service.

        Raises:
            ServiceNotFound: There is none.
            AmbiguousProvider: Several satisfy it.
        """
        found = self.find_service(wanted)
        if found is None:
            name = wanted if isinstance(wanted, str) else getattr(wanted, "__name__", str(wanted))
            nodes = self._assemble()
            known = [node.name for node in nodes] if isinstance(wanted, str) else [node.cls.__name__ for node in nodes]
            raise ServiceNotFound(wanted=name, suggestions=closest(name, known))
        return found

    def find_service(self, wanted: TypeForm[T] | str) -> T | None:
        """Return the service of a class or a name, or None; errors as of `get_service`."""
        nodes = self._assemble()
        if isinstance(wanted, str):
            node = next((node for node in nodes if node.name == wanted), None)
        else:
            cls: Any = wanted
            node = find_node(nodes, cls)
            if node is None and has_on_demand(cls):
                node = self._on_demand(cls)
                nodes.append(node)
                self._instances[node] = node.provider
                if self._sequencer is not None:
                    # It opens what it needs at first use, and is stopped after all who might use it.
                    self._sequencer.started.insert(0, self._unit(node))
        return None if node is None else self._instances[node]

    def has_service(self, wanted: object) -> bool:
        """Tell whether there is a service of a class or a name; nothing is provided on demand by this."""
        nodes = self._assemble()
        if isinstance(wanted, str):
            return any(node.name == wanted for node in nodes)
        return any(provides(node.cls, wanted) for node in nodes if isinstance(wanted, type))

    @overload
    def get_services_by_type(self, service_type: str) -> list[Any]: ...
    @overload
    def get_services_by_type(self, service_type: TypeForm[T]) -> list[T]: ...
    def get_services_by_type(self, service_type: Any) -> list[Any]:
        """Return all services of a type, in registration order.

        Args:
            service_type: What their ``service_type`` says, or a class that they satisfy.

        Returns:
            A new list.
        """
        nodes = self._assemble()
        if isinstance(service_type, str):
            return [self._instances[node] for node in nodes if getattr(node.cls, "service_type", None) == service_type]
        return [self._instances[node] for node in nodes if provides(node.cls, service_type)]

    def get_all_services(self) -> list[Any]:
        """Return all services, in registration order; a new list."""
        return [self._instances[node] for node in self._assemble()]

    def get_registered_service_types(self) -> list[str]:
        """Return the types that services name, each once, in registration order."""
        types = (getattr(node.cls, "service_type", None) for node in self._assemble())
        return list(dict.fromkeys(one for one in types if one is not None))

    # --- lifecycle ---

    async def start(self) -> None:
        """Start all services; a second call waits for the first, and one on a started runtime does nothing.

        Raises:
            RuntimeFault: What is wrong with the services, or the one whose start failed; what was started is stopped again.
            Exception: What a plugin's hook or a preparer raised, such as a failed migration.
        """
        while self._stop_wish is not None and self._stop_wish.is_set() and self._host is not None:
            await asyncio.wait({self._host})
        if self._host is None:
            self._crash = None
            units = self._arrange()
            self._stop_wish = asyncio.Event()
            self._started = asyncio.get_running_loop().create_future()
            self._sequencer = Sequencer(units, self.events)
            self._host = asyncio.create_task(self._live(self._sequencer, self._started, self._stop_wish), name="roost host")
        started = self._started
        if started is None:
            return
        try:
            await asyncio.shield(started)
        except asyncio.CancelledError:
            if not started.done():
                await self._cancel_start()
            raise

    async def stop(self) -> None:
        """Stop all services in reverse order; on a runtime that is not started it does nothing.

        Raises:
            RuntimeStopFailed: Services raised or hung while stopping; the others are stopped all the same.
        """
        host, wish = self._host, self._stop_wish
        if host is None or wish is None:
            return
        wish.set()
        await asyncio.shield(self._ended(host))

    async def wait(self) -> None:
        """Wait until the runtime is stopped.

        Raises:
            ServiceTaskCrashed: A service's crash stopped it.
            RuntimeStopFailed: It could not be stopped cleanly.
        """
        host = self._host
        if host is not None:
            await asyncio.shield(self._ended(host))
        if self._crash is not None:
            raise self._crash

    async def ready(self, wanted: TypeForm[T] | str, timeout: float | None = None) -> T:  # noqa: ASYNC109 -- its error names the service
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
        service = self.get_service(wanted)
        node = next(node for node, instance in self._instances.items() if instance is service)
        unit = self._unit(node)
        try:
            async with asyncio.timeout(timeout):
                await unit.started.wait()
        except TimeoutError:
            raise ReadyTimeout(service=node.name, timeout=timeout or 0.0, state=unit.state) from None
        if unit.error is not None:
            raise unit.error
        return service

    def status(self) -> tuple[UnitStatus, ...]:
        """Return where everything stands, as plain data."""
        now = time.monotonic()
        return tuple(
            UnitStatus(
                name=unit.name,
                state=unit.state,
                since=now - unit.since if unit.since else 0.0,
                took=unit.took,
                error=None if unit.error is None else str(unit.error),
                waits_for=tuple(needed.name for needed in unit.needs if needed.state != "running")
                if unit.state == "waiting"
                else (),
            )
            for unit in self._units.values()
        )

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        self._body = asyncio.current_task()
        if self._crash is not None:
            self._cancel_body()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop; a crash that cancelled the body is raised in the cancellation's place."""
        body, self._body = self._body, None
        cancelled_by_us, self._body_cancelled = self._body_cancelled, False
        if cancelled_by_us and body is not None and body is asyncio.current_task():
            still_cancelled = body.uncancel() > 0
        else:
            still_cancelled = False
        await self.stop()
        if self._crash is not None and not still_cancelled and (error is None or isinstance(error, asyncio.CancelledError)):
            raise self._crash

    # --- inside ---

    async def _live(self, sequencer: Sequencer, started: asyncio.Future[None], wish: asyncio.Event) -> None:
        """Be the runtime's own task: start, wait for a wish to stop, stop. Whoever calls start and stop only waits for it."""
        began = time.monotonic()
        self.events.emit(RuntimeStartStarted(services=tuple(unit.name for unit in self._units.values())))
        starting = asyncio.create_task(sequencer.start(self.start_timeout))
        stopping = asyncio.create_task(wish.wait())
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                starting.cancel()
                await asyncio.wait({starting})
        finally:
            stopping.cancel()
        error = asyncio.CancelledError() if starting.cancelled() else starting.exception()
        self.events.emit(RuntimeStartFinished(duration=time.monotonic() - began, error=error))
        if error is not None:
            await self._roll_back(sequencer, error)
            self._over()
            if not started.done():
                started.set_exception(RuntimeBusy(wish="go on with a start: the runtime was stopped meanwhile") if starting.cancelled() else error)
                started.exception()  # who called start may be gone, and then nobody else asks
            return
        started.set_result(None)
        await wish.wait()
        began = time.monotonic()
        self.events.emit(RuntimeStopStarted(cause=self._crash))
        failure: BaseException | None = None
        try:
            await sequencer.stop(self.stop_timeout)
        except Exception as raised:
            failure = raised
            if self._crash is None:
                raise
            self._crash.add_note(f"and while stopping: {raised}")
        finally:
            self._over()
            self.events.emit(RuntimeStopFinished(duration=time.monotonic() - began, error=failure))

    async def _roll_back(self, sequencer: Sequencer, error: BaseException) -> None:
        self.events.emit(RuntimeStopStarted(cause=error))
        began = time.monotonic()
        failure: BaseException | None = None
        try:
            await sequencer.stop(self.stop_timeout, fresh=True)
        except Exception as raised:  # noqa: BLE001 -- the start's own error is the one to raise, and this goes with it
            failure = raised
            error.add_note(f"and while stopping what had started: {raised}")
        self.events.emit(RuntimeStopFinished(duration=time.monotonic() - began, error=failure))

    async def _ended(self, host: asyncio.Task[None]) -> None:
        await asyncio.wait({host})
        error = host.exception()
        if error is not None:
            raise error

    async def _cancel_start(self) -> None:
        host, wish = self._host, self._stop_wish
        if host is not None and wish is not None:
            wish.set()
            # The cancellation has come and goes on after this; a second one must not leave services behind.
            waiting = asyncio.ensure_future(asyncio.wait({host}))
            while not waiting.done():
                try:
                    await asyncio.shield(waiting)
                except asyncio.CancelledError:
                    continue

    def _over(self) -> None:
        self._host = None
        self._sequencer = None
        self._started = None
        self._forget()

    def _forget(self) -> None:
        """Let the next use construct the services anew; ready instances stay."""
        self._nodes = None
        self._instances = {}

    def _crashed(self, name: str, error: BaseException) -> None:
        self.events.emit(ServiceCrashedEvent(service=name, error=error))
        if self._crash is None:
            self._crash = ServiceTaskCrashed(service=name, reason=str(error) or type(error).__name__)
            self._crash.__cause__ = error
            if self._stop_wish is not None:
                self._stop_wish.set()
            self._cancel_body()

    def _cancel_body(self) -> None:
        if self._body is not None and not self._body.done():
            self._body_cancelled = True
            self._body.cancel("a service of the runtime crashed")

    def _assemble(self) -> list[Node]:
        """Construct all services, once, without I/O."""
        if self._nodes is None:
            nodes = [self._node(provider, plugin) for plugin in self._plugins for provider in plugin.services]
            nodes += [self._node(provider, None) for provider in self._own_services]
            seen: dict[str, Node] = {}
            for node in nodes:
                if node.name in seen:
                    raise DuplicateService(name=node.name, locations=(seen[node.name].location, node.location))
                seen[node.name] = node
            connect(nodes, self._on_demand)
            ordered = [node for wave in waves(nodes) for node in wave]
            # Lookups in a constructor find what is made before it.
            self._nodes, self._instances = nodes, {}
            try:
                for node in ordered:
                    self._instances[node] = self._construct(node)
            except BaseException:
                self._forget()
                raise
        return self._nodes

    def _node(self, provider: Any, plugin: Plugin | None) -> Node:
        cls = provider if isinstance(provider, type) else type(provider)
        name = getattr(provider, "service_name", None) or kebab_case(cls.__name__)
        needs = read_needs(cls, runtime_class=Runtime) if isinstance(provider, type) else ()
        return Node(name=name, provider=provider, plugin=plugin, needs=needs)

    def _on_demand(self, cls: Any) -> Node:
        instance = cls.on_demand(self)
        return Node(name=getattr(cls, "service_name", kebab_case(cls.__name__)), provider=instance, plugin=None, on_demand=True)

    def _construct(self, node: Node) -> Any:
        if not isinstance(node.provider, type):
            return node.provider
        arguments: dict[str, Any] = {}
        for need in node.needs:
            if need.kind == "runtime":
                arguments[need.parameter] = self
            elif need.kind == "plugin":
                arguments[need.parameter] = node.plugin
            elif need.kind == "settings":
                section = node.plugin.name if node.plugin is not None else node.name
                arguments[need.parameter] = fill_settings(need.wanted, self.settings.get(section, {}), section=section)
            elif need.kind == "services":
                assert self._nodes is not None
                arguments[need.parameter] = [
                    self._instances[other] for other in self._nodes if other is not node and provides(other.cls, need.wanted)
                ]
            else:
                found = find_node(self._nodes or [], need.wanted, asker=node)
                if found is not None:
                    arguments[need.parameter] = self._instances[found]
                elif not need.has_default:
                    arguments[need.parameter] = None
        try:
            return node.provider(**arguments)
        except Exception as error:
            raise ConstructionFailed(service=node.name, location=node.location, reason=str(error) or type(error).__name__) from error

    def _unit(self, node: Node) -> Unit:
        unit = self._units.get(node)
        if unit is None:
            body = Body(self._instances[node], node.name, crashed=self._crashed)
            unit = Unit(
                name=node.name,
                start=body.start,
                stop=body.stop,
                start_timeout=getattr(node.cls, "start_timeout", None),
                stop_timeout=getattr(node.cls, "stop_timeout", None),
            )
            self._units[node] = unit
        return unit

    def _arrange(self) -> list[Unit]:
        """Make the units of a start: services, one preparer for each that is named, and the plugins' hooks."""
        nodes = self._assemble()
        waves(nodes)
        self._units = {}
        for node in nodes:
            self._unit(node)
        preparers: dict[Callable[[Runtime], Preparer], list[Node]] = {}
        for node in nodes:
            prepared_by = getattr(node.cls, "prepared_by", None)
            if prepared_by is not None:
                preparers.setdefault(prepared_by, []).append(node)
        needs: dict[Node | str, list[Unit]] = {node: [self._unit(needed) for needed in node.edges] for node in nodes}
        for index, (prepared_by, prepared) in enumerate(preparers.items()):
            self._add_preparer(f"prepare-{index + 1}", prepared_by(self), prepared, nodes, needs)
        self._add_hooks(nodes, needs)
        for key, unit in self._units.items():
            unit.needs = tuple(dict.fromkeys(needs[key]))
        return list(self._units.values())

    def _add_preparer(
        self, key: str, preparer: Preparer, prepared: list[Node], nodes: list[Node], needs: dict[Node | str, list[Unit]]
    ) -> None:
        async def prepare() -> None:
            await preparer.prepare(self._plugins)

        unit = Unit(name=key, start=prepare, stop=_nothing, is_service=False)
        self._units[key] = unit
        needs[key] = [self._unit(node) for node in prepared]
        before = _reachable(prepared)
        plugins = {node.plugin.name for node in prepared if node.plugin is not None}
        dependents = {name for name in self._needs if name in plugins or _depends_on(name, plugins, self._needs)}
        for node in nodes:
            waits = node.plugin is None or node.plugin.name in dependents
            if waits and node not in before and not node.on_demand:
                needs[node].append(unit)

    def _add_hooks(self, nodes: list[Node], needs: dict[Node | str, list[Unit]]) -> None:
        preparing = [unit for unit in self._units.values() if not unit.is_service]
        for plugin in self._plugins:
            if plugin.init is None and plugin.dispose is None:
                continue
            key = f"plugin {plugin.name}"
            unit = Unit(name=key, start=self._hook(plugin.init), stop=self._hook(plugin.dispose), is_service=False)
            self._units[key] = unit
            needs[key] = list(preparing)
            prepared = _reachable([node for node in nodes if getattr(node.cls, "prepared_by", None) is not None])
            for node in nodes:
                if node.plugin is plugin and node not in prepared:
                    needs[node].append(unit)

    def _hook(self, hook: Callable[[Runtime], Any] | None) -> Callable[[], Any]:
        async def call() -> None:
            if hook is not None:
                result = hook(self)
                if inspect.isawaitable(result):
                    await result

        return call


async def _nothing() -> None:
    """Stop what has nothing to stop."""


def _reachable(nodes: list[Node]) -> set[Node]:
    found = set(nodes)
    frontier = list(nodes)
    while frontier:
        for needed in frontier.pop().edges:
            if needed not in found:
                found.add(needed)
                frontier.append(needed)
    return found


def _depends_on(name: str, wanted: set[str], needs: Mapping[str, frozenset[str]]) -> bool:
    return any(needed in wanted or _depends_on(needed, wanted, needs) for needed in needs[name])
