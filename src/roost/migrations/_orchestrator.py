"""Awaits the migration services of a runtime one after another, in one run under one lock."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from roost.errors import NoDatabase, PendingMigrations
from roost.migrations._check import check_services, refuse_several_chains, refuse_unserved_schemas
from roost.migrations._config import MigrationConfig
from roost.migrations._declared_steps import DeclaredSteps, declared_steps
from roost.migrations._dry_run import changed_steps, planned_changes, planned_steps, undone_steps
from roost.migrations._events import RunFinished, RunStarted
from roost.migrations._examination import DatabaseExamination, examine
from roost.migrations._fingerprint import digest
from roost.migrations._ledger_upkeep import LedgerUpkeep
from roost.migrations._legacy_hook import LegacyHook
from roost.migrations._lock_holding import migration_lock_holder
from roost.migrations._order import services_of, sort_services
from roost.migrations._planning import plan_services
from roost.migrations._protocol import IMigrationService, KeepsManifest, StopsShort, keeps_ledger, keeps_schemas, plugins_of
from roost.migrations._reading import reading
from roost.migrations._records import MigrationRecord, MigrationReport, MigrationStatus, StepsCheck
from roost.migrations._rehearsing import Rehearsal
from roost.migrations._run import MigrationRun, current_run
from roost.migrations._run_entry import KEY
from roost.migrations._states import states_of
from roost.migrations._status import is_pending, status_of
from roost.migrations._turns import Turns, report_of
from roost.migrations._unclaimed import unclaimed_plugins
from roost.postgres import Database, is_connection_lost
from roost.runtime import parse_dependency

if TYPE_CHECKING:
    from roost.migrations._limit import RunLimit
    from roost.migrations._rehearsal import RehearsalReport
    from roost.runtime import Plugin, Runtime


class _StoppingShort(IMigrationService, StopsShort, Protocol):
    """A migration service in the middle of which a run can stop."""


class MigrationOrchestrator(LedgerUpkeep):
    """Brings a runtime's database to where its plugins want it.

    Args:
        runtime: The runtime; it need not be started. Any object with a ``get_services_by_type`` will do for services that
            need no database.
    """

    def __init__(self, runtime: Runtime) -> None:
        """Bind to a runtime; nothing is connected yet."""
        self._runtime = runtime
        self._config: MigrationConfig = getattr(runtime, "config", None) or MigrationConfig()
        self._states = states_of(runtime)

    def get_migration_services(self) -> list[IMigrationService]:
        """Return the runtime's migration services: all of the type ``"migration"`` in registration order, then legacy hooks."""
        plugins: Sequence[Plugin] = getattr(self._runtime, "plugins", ())
        hooks = [LegacyHook(plugin, self._runtime) for plugin in plugins if plugin.run_plugin_migrations is not None]
        return [*self._runtime.get_services_by_type("migration"), *hooks]

    def sort_migration_services(self, services: Sequence[IMigrationService]) -> list[IMigrationService]:
        """Order services as they run: ``database-migration``, plugin dependencies, priority (higher first), name.

        Returns:
            A new list.
        """
        plugins = {service.service_name: self._plugin_of(service) for service in services}
        return sort_services(
            services,
            plugin_of={name: plugin.name for name, plugin in plugins.items() if plugin is not None},
            dependencies={
                plugin.name: frozenset(parse_dependency(text)[0] for text in plugin.dependencies)
                for plugin in getattr(self._runtime, "plugins", ())
            },
            priorities={service.service_name: _priority(service, plugins[service.service_name]) for service in services},
        )

    async def run_all_migrations(
        self, *, dry_run: bool = False, refuse_ahead: bool = False, prove_files: bool = False, allow_data_loss: Collection[str] = ()
    ) -> MigrationReport:
        """Await every migration service, one after another, in one run under the lock.

        A start with nothing to do costs one round trip after connecting, and takes no lock. It stops at the first service that
        fails.

        Args:
            dry_run: Write nothing, take no lock, and report the steps that would be taken.
            refuse_ahead: Raise also where the database is ahead of the code in a way that the code could live with.
            prove_files: Hold SQL files against their manifests also where these say that there is nothing to do.
            allow_data_loss: What declared schemas may lose in this run, by name, beside what the configuration allows.

        Returns:
            What was done.

        Raises:
            RoostError: What stood in the way; the family `MigrationError` for steps, plans and the lock, `DatabaseError` for
                the connection. A service's own exception is raised as it is.
        """
        services = self._ordered()
        if prove_files:
            for service in services:
                if isinstance(service, KeepsManifest):
                    service.prove_files()
        return await self._run(services, dry_run=dry_run, refuse_ahead=refuse_ahead, allowed=frozenset(allow_data_loss))

    async def rehearse(self, plugin: str | None = None, *, allow_data_loss: Collection[str] = ()) -> RehearsalReport:
        """Carry out every pending step, and measure it, in one transaction that is always rolled back.

        It takes the migration lock, writes nothing into the ledger, and holds the locks of all its steps to its end: use a copy of the
        database, or a quiet hour. Numbers that sequences gave away, and what a function does elsewhere, no rollback takes back. A
        function's ``ctx.run_number`` is 0.

        Args:
            plugin: Only this plugin's steps.
            allow_data_loss: What declared schemas may lose, by name, beside what the configuration allows.

        Returns:
            What each step did, up to the first that failed; a failure is told there, not raised. So is what would lose data.

        Raises:
            UnknownMigrationPlugin: No service of the runtime migrates that plugin.
            RehearsalLost: The connection broke; nothing is left of the rehearsal.
            RoostError: As `run_all_migrations` raises it before the first step, a database ahead of the code included.
        """
        services = self._ordered()
        if plugin is not None:
            services = services_of(plugin, services, plugins_of=lambda service: {self._name_of_plugin(service), *plugins_of(service)})
        self._wish(services)
        database = self._database()
        self._refuse_without_database(services, database)
        emit, name = self._runtime_emit, self._name_of_plugin
        rehearsal = Rehearsal(self._runtime, config=self._config, database=database, emit=emit, name_of_plugin=name)
        return await rehearsal.rehearse(services, plugin=plugin, allow_data_loss=allow_data_loss)

    async def run_service(self, service: IMigrationService) -> MigrationReport:
        """Await one service in a run of its own; errors as of `run_all_migrations`."""
        return await self._run([service], dry_run=False, refuse_ahead=False)

    async def run_part(self, service: _StoppingShort, limit: RunLimit, *, dry_run: bool = False) -> MigrationReport:
        """Await one service in a run of its own that stops at a limit; errors as of `PluginMigrationService.upgrade`."""
        plugin = self._name_of_plugin(service)
        # A part is refused for what the whole is refused for.
        self._wish([one for one in self.get_migration_services() if plugin in plugins_of(one)])
        report = await self._run([service], dry_run=dry_run, refuse_ahead=True, limit=limit)
        if not dry_run:
            self._states.set(service.service_name, "idle")  # "completed" would say that nothing is left
        return report

    async def in_a_run(self, service: IMigrationService, operation: Callable[[MigrationRun], Awaitable[None]]) -> MigrationReport:
        """Await an operation under the lock, whatever is settled; for what is no migration up, such as a rollback.

        Raises:
            RoostError: As `run_all_migrations`, and as `operation` raises it.
        """
        run = self._new_run([service], wish=None, refuse_ahead=False)
        started = time.monotonic()
        with self._told(run):
            outer = current_run.set(run)
            try:
                await run.begin()
                await operation(run)
            except Exception as error:
                self._states.set(service.service_name, "failed", error=error)
                if run.is_broken and is_connection_lost(error):
                    raise run.lost(error, attempts=1) from error
                await run.end({})
                raise
            except BaseException:
                run.abandon()
                raise
            finally:
                current_run.reset(outer)
            await run.end({})
            self._states.set(service.service_name, "idle")
            return report_of(run, done=[service], failed=[], not_run=[], started=started)

    def check_steps(self, plugin_name: str | None = None, *, write: bool = False) -> list[StepsCheck]:
        """Load the steps of every plugin, and hold SQL files against their manifests. It needs no database, and connects to none.

        Args:
            plugin_name: Only this plugin's.
            write: Write the manifest of each folder of SQL files first, as the files are now.

        Returns:
            What was found, service by service, in the order in which they run; what is wrong is told there, not raised.
        """
        return check_services(self._ordered(), policy=self._config.policy, plugin=plugin_name, write=write)

    def declared_steps(self, plugin_name: str | None = None) -> list[DeclaredSteps]:
        """Return the steps that every plugin brings, as a run on an empty database would take them. It needs no database.

        Args:
            plugin_name: Only this plugin's.

        Returns:
            The steps, service by service, in the order in which they run; what is wrong is told there, not raised.
        """
        return declared_steps(self._ordered(), policy=self._config.policy, plugin=plugin_name)

    async def find_drift(self, plugin_name: str | None = None) -> tuple[str, ...]:
        """Tell what of declared schemas is no longer as it was brought about, each in a few words with its plugin in front.

        Args:
            plugin_name: Only this plugin's.

        Raises:
            NoDatabase: The runtime has no database.
            DatabaseError: The database can't be asked.
        """
        services = [service for service in self._ordered() if keeps_schemas(service)]
        async with reading(self._runtime) as session:
            if session is None:
                raise NoDatabase(services=tuple(service.service_name for service in services))
            return tuple([told for service in services for told in await service.drifted(session, plugin_name)])

    async def examine_database(self) -> DatabaseExamination:
        """Ask the database what can come between it and migrations: poolers, rights, settings, the ledger. Nothing is written or locked.

        Raises:
            NoDatabase: The runtime has no database.
            PoolerInTheWay: A pooler allows no transactions.
            DatabaseError: The database can't be asked.
        """
        return await examine(self._runtime)

    async def has_pending_migrations(self) -> bool:
        """Tell whether any service has something to run.

        Raises:
            NoDatabase: The runtime has no database, and a service needs one.
            DatabaseError: The database can't be asked.
        """
        services = self.get_migration_services()
        self._refuse_without_database(services, self._database())
        async with reading(self._runtime):
            for service in services:
                if await is_pending(service, self._name_of_plugin(service), runtime=self._runtime, config=self._config):
                    return True
        return False

    def is_migration_in_progress(self) -> bool:
        """Tell whether a run of this runtime is in progress in this process."""
        return self._states.runs > 0

    async def get_migration_status(self) -> MigrationStatus:
        """Return where every service stands, in the order in which they run.

        Raises:
            NoDatabase: The runtime has no database, and a service needs one.
            DatabaseError: The database can't be asked.
        """
        services = self._ordered()
        self._refuse_without_database(services, self._database())
        async with reading(self._runtime) as session:
            found = tuple(
                [
                    await status_of(
                        service,
                        self._name_of_plugin(service),
                        runtime=self._runtime,
                        config=self._config,
                        state=self._states.states.get(service.service_name, "idle"),
                        error=self._states.errors.get(service.service_name),
                    )
                    for service in services
                ]
            )
            claimed = {self._name_of_plugin(service) for service in services}.union(*map(plugins_of, services))
            unclaimed = await unclaimed_plugins(session, claimed=claimed)
            running = None if session is None else await migration_lock_holder(session, KEY)
        runs = [status.last_run for status in found if status.last_run is not None]
        return MigrationStatus(
            total_services=len(found), last_migration=max(runs, default=None), services=found, unclaimed=unclaimed, running=running
        )

    async def get_migration_history(self, plugin_name: str | None = None) -> list[Any]:
        """Return all services' attempts, newest first.

        Args:
            plugin_name: Only this plugin's.

        Returns:
            Records; `MigrationRecord` from roost's own services.

        Raises:
            NoDatabase: The runtime has no database, and a service needs one.
            DatabaseError: The database can't be asked.
        """
        records: dict[object, Any] = {}  # services that share the ledger may tell of the same row
        services = self._ordered()
        self._refuse_without_database(services, self._database())
        async with reading(self._runtime):
            for service in services:
                read = getattr(service, "get_migration_history", None)
                for record in await read(plugin_name) if read is not None else ():
                    records[record.id if isinstance(record, MigrationRecord) else object()] = record
        return sorted(records.values(), key=_newest, reverse=True)

    async def prepare(self, plugins: Sequence[Plugin]) -> None:
        """Migrate before a runtime's services start: the runtime's port `Preparer`.

        Args:
            plugins: The plugins that are starting.

        Raises:
            PendingMigrations: The runtime must not migrate, and a plugin has something pending.
            RoostError: As `run_all_migrations`.
        """
        names = {plugin.name for plugin in plugins}
        services = [
            service
            for service in self._ordered()
            if (plugin := self._plugin_of(service)) is None or plugin.name in names or not names.isdisjoint(plugins_of(service))
        ]
        if self._runtime.auto_migrate:
            await self._run(services, dry_run=False, refuse_ahead=False)
            return
        for service in services:
            self._states.set(service.service_name, "skipped")
        if self._runtime.allow_unmigrated:
            return
        pending = []
        async with reading(self._runtime):
            for service in services:
                name = self._name_of_plugin(service)
                if await is_pending(service, name, runtime=self._runtime, config=self._config):
                    pending.append(name)
        if pending:
            raise PendingMigrations(plugins=tuple(pending))

    async def _run(
        self,
        services: Sequence[IMigrationService],
        *,
        dry_run: bool,
        refuse_ahead: bool,
        allowed: frozenset[str] = frozenset(),
        limit: RunLimit | None = None,
    ) -> MigrationReport:
        started = time.monotonic()
        # What is run in part settles nothing.
        wish = self._wish(services) if limit is None else None
        run = self._new_run(services, wish=wish, refuse_ahead=refuse_ahead)
        run.allow_data_loss, run.limit = allowed, limit
        if not services:
            return report_of(run, done=[], failed=[], not_run=[], started=started)
        self._refuse_without_database(services, run.database)
        if dry_run:
            async with reading(self._runtime) as session:
                planned = await plan_services(
                    services, session, config=self._config, refuse_ahead=refuse_ahead, allow_data_loss=allowed, limit=limit
                )
                for one in planned:
                    run.steps.extend(planned_changes(one.schemas))
                    run.blocked.extend(one.blocked)
                    if one.plan is not None:
                        run.steps.extend(undone_steps([] if one.undone is None else [one.undone], plugin=one.plan.plugin))
                        run.steps.extend(planned_steps(one.plan))
                        run.changed.extend(changed_steps(one.plan))
            return report_of(run, done=[], failed=[], not_run=services, started=started)
        with self._told(run):
            self._states.runs += 1
            try:
                turns = Turns(run, states=self._states, wish=wish or {}, name_of_plugin=self._name_of_plugin)
                return await turns.take(services)
            finally:
                self._states.runs -= 1

    @contextmanager
    def _told(self, run: MigrationRun) -> Iterator[None]:
        """Tell listeners that a run begins, and how it ended."""
        started = time.monotonic()
        self._runtime_emit(RunStarted(services=run.services))
        failure: BaseException | None = None
        try:
            yield
        except BaseException as error:
            failure = error
            raise
        finally:
            self._runtime_emit(RunFinished(steps=len(run.steps), duration=time.monotonic() - started, error=failure))

    def _ordered(self) -> list[IMigrationService]:
        services = self.get_migration_services()
        plugins: Sequence[Plugin] = getattr(self._runtime, "plugins", ())
        refuse_unserved_schemas(services, declaring=[plugin.name for plugin in plugins if plugin.schema is not None])
        return self.sort_migration_services(services)

    def _new_run(self, services: Sequence[IMigrationService], *, wish: Mapping[str, str] | None, refuse_ahead: bool) -> MigrationRun:
        return MigrationRun(
            runtime=self._runtime,
            config=self._config,
            database=self._database(),
            emit=self._runtime_emit,
            states=self._states,
            services=tuple(service.service_name for service in services),
            settled_wish=wish,
            refuse_ahead=refuse_ahead,
            wants_lock=tuple(service.service_name for service in services if not keeps_ledger(service)),
        )

    def _wish(self, services: Sequence[IMigrationService]) -> dict[str, str] | None:
        """Return each plugin's digest of what the code declares; None where a service can only be run to find out."""
        keeping = [service for service in services if keeps_ledger(service)]
        parts: dict[str, list[str]] = {}
        for service in keeping:
            parts.setdefault(service.plugin_name, []).append(service.declaration(self._config.policy))
        declaring = [service for service in services if keeps_schemas(service)]
        for one in declaring:
            for plugin, declaration in one.declarations().items():
                parts.setdefault(plugin, []).append(declaration)
        refuse_several_chains(keeping)
        known = len(keeping) + len(declaring) == len(services)
        return {plugin: digest(found) for plugin, found in parts.items()} if known else None

    def _database(self) -> Database | None:
        return None if getattr(self._runtime, "database", None) is None else self._runtime.get_service(Database)

    def _refuse_without_database(self, services: Sequence[IMigrationService], database: Database | None) -> None:
        needing = tuple(service.service_name for service in services if keeps_ledger(service) or plugins_of(service))
        if needing and database is None:
            raise NoDatabase(services=needing)

    def _runtime_emit(self, event: object) -> None:
        events = getattr(self._runtime, "events", None)
        if events is not None:
            events.emit(event)

    def _plugin_of(self, service: IMigrationService) -> Plugin | None:
        if isinstance(service, LegacyHook):
            return service.plugin
        find = getattr(self._runtime, "plugin_of", None)
        plugin: Plugin | None = find(service) if find is not None else None
        return plugin

    def _name_of_plugin(self, service: IMigrationService) -> str:
        plugin = self._plugin_of(service)
        return getattr(service, "plugin_name", None) or (plugin.name if plugin is not None else service.service_name)


def _priority(service: IMigrationService, plugin: Plugin | None) -> int:
    own: int | None = getattr(service, "priority", None)
    return own if own is not None else plugin.priority if plugin is not None else 0


def _newest(record: Any) -> tuple[datetime, int]:  # noqa: ANN401 -- a record of a service that is not ours
    number = getattr(record, "id", 0)
    return record.executed_at, number if isinstance(number, int) else 0
