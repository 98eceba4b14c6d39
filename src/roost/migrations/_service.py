"""The base of every migration service: joining a run, registering schemas, history and retries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import ClassVar, TypeVar

from roost.errors import InvalidConfiguration, NoDatabase
from roost.migrations import _ledger as ledger
from roost.migrations._config import MigrationConfig
from roost.migrations._orchestrator import MigrationOrchestrator
from roost.migrations._reading import reading
from roost.migrations._records import MigrationRecord
from roost.migrations._run import MigrationRun, current_run
from roost.migrations._versions import compare_versions
from roost.postgres import is_retryable, retrying
from roost.runtime import Plugin, Preparer, Runtime, Service

T = TypeVar("T")


class MigrationService(Service):
    """A service that brings the database to where its plugin wants it.

    Override `migrate` to do the work; `PluginMigrationService` does so for a list of steps. The runtime completes all migrations of a
    plugin before any other of the plugin's services starts.

    Attributes:
        service_type: ``"migration"``, by which orchestrators find it.
        plugin_name: The plugin whose migrations these are; by default the one that brought the service.
    """

    service_type: str | None = "migration"
    prepared_by: ClassVar[Callable[[Runtime], Preparer] | None] = MigrationOrchestrator

    def __init__(self, runtime: Runtime | None = None) -> None:
        """Bind to a runtime; without one, only what needs no database works."""
        self._runtime = runtime
        self._schemas: dict[str, object] = {}

    @property
    def plugin_name(self) -> str:
        """The plugin whose migrations these are: the one that brought the service, else the service's own name."""
        plugin = self._owner()
        return plugin.name if plugin is not None else self.service_name

    def _owner(self) -> Plugin | None:
        return self._runtime.plugin_of(self) if self._runtime is not None else None

    @property
    def config(self) -> MigrationConfig:
        """How migrations run on this service's runtime.

        Raises:
            InvalidConfiguration: The runtime's ``config`` is something else.
        """
        config = self._runtime.config if self._runtime is not None else None
        if config is None:
            return MigrationConfig()
        if not isinstance(config, MigrationConfig):
            raise InvalidConfiguration(name="config", value=config, reason="a runtime's config is a MigrationConfig")
        return config

    async def run_migrations(self, runtime: Runtime, /) -> None:
        """Take this service's turn: in the run in progress, else in one of its own under the same lock.

        Args:
            runtime: Whose database is migrated.

        Raises:
            RoostError: What stood in the way.
        """
        self._runtime = runtime if self._runtime is None else self._runtime
        run = current_run.get()
        if run is not None and run.runtime is runtime:
            await self.migrate(run)
        else:
            await MigrationOrchestrator(runtime).run_service(self)

    async def migrate(self, run: MigrationRun) -> None:
        """Bring the database to where this service wants it. By default each registered schema is handed to `migrate_schema`.

        Args:
            run: The run in progress, under the lock.

        Raises:
            Exception: What went wrong; the run stops at this service.
        """
        for plugin_name, schema in self._schemas.items():
            if schema is not None:
                await self.migrate_schema(run, plugin_name, schema)

    async def migrate_schema(self, run: MigrationRun, plugin_name: str, schema: object) -> None:
        """Bring one plugin's declared schema about; for services that override it.

        Raises:
            NotImplementedError: This service can't.
        """
        raise NotImplementedError(f"{type(self).__name__} has a schema of {plugin_name} and no migrate_schema")

    def register_schema(self, plugin_name: str, schema: object) -> None:
        """Note what a plugin declares, replacing what it declared before; None declares nothing."""
        self._schemas[plugin_name] = schema

    def registered_schemas(self) -> dict[str, object]:
        """Return what was registered, by plugin, in the order of registration; a new dict."""
        return dict(self._schemas)

    def discover_and_register_plugin_schemas(self, plugins: Iterable[Plugin]) -> int:
        """Register the schema of every plugin that has one.

        Returns:
            How many were registered.
        """
        found = [plugin for plugin in plugins if plugin.schema is not None]
        for plugin in found:
            self.register_schema(plugin.name, plugin.schema)
        return len(found)

    def has_plugin_migrations(self, plugin_name: str, /) -> bool:
        """Tell whether this service brings migrations for a plugin."""
        return plugin_name in self._schemas

    async def get_migration_history(self, plugin_name: str | None = None, /) -> Sequence[MigrationRecord]:
        """Return this service's attempts, newest first.

        Args:
            plugin_name: Only this plugin's.

        Raises:
            NoDatabase: The service has no runtime, or the runtime has no database.
            DatabaseError: The database can't be asked.
        """
        async with reading(self._bound()) as session:
            if session is None:
                raise NoDatabase(services=(self.service_name,))
            return await ledger.history(session, plugin=plugin_name, service=self.service_name)

    async def get_plugin_version(self, plugin_name: str, /) -> str | None:
        """Return the version a plugin is at; None when nothing of it is applied.

        Raises:
            NoDatabase: The service has no runtime, or the runtime has no database.
            DatabaseError: The database can't be asked.
        """
        async with reading(self._bound()) as session:
            if session is None:
                raise NoDatabase(services=(self.service_name,))
            return await ledger.plugin_version(session, plugin_name)

    @staticmethod
    def compare_versions(a: str | None, b: str | None, /) -> int:
        """Return -1, 0 or 1 where `a` is below, equal to or above `b`; None, nothing applied, is below all.

        Raises:
            InvalidPluginVersion: One of them is no version.
        """
        return compare_versions(a, b)

    async def with_retry(self, operation: Callable[[], Awaitable[T]], /) -> T:
        """Await an operation, again after errors that may pass, with waits that double.

        Args:
            operation: Called anew for each attempt; it must bear that.

        Returns:
            What the operation returned.

        Raises:
            Exception: The operation's own last error.
        """
        config = self.config
        result: list[T] = []
        async for attempt in retrying(
            attempts=config.max_retries,
            delay=config.retry_delay,
            max_delay=config.retry_max_delay,
            retryable=self.is_retryable_error,
        ):
            with attempt:
                result.append(await operation())
        return result[0]

    def is_retryable_error(self, error: BaseException, /) -> bool:
        """Tell whether an error may pass: by SQLSTATE, or a broken connection; never a programming error or a cancellation."""
        return is_retryable(error)

    def _bound(self) -> Runtime:
        if self._runtime is None:
            raise NoDatabase(services=(self.service_name,))
        return self._runtime
