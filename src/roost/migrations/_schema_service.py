"""The service that brings about what plugins declare as their schemas."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from roost.errors import (
    DatabaseUnreachable,
    DestructiveMigrationBlocked,
    IndexConflict,
    MigrationLockLost,
    NoDatabase,
    RoostError,
    SchemaHalfway,
    SchemaNotReached,
    SchemaPlanTimeout,
    SchemasFailed,
    SessionLost,
    StepFailed,
    UnknownMigrationPlugin,
)
from roost.migrations._orchestrator import MigrationOrchestrator
from roost.migrations._plan import SCHEMA_STEP, Plan, PluginState
from roost.migrations._reading import reading
from roost.migrations._records import BlockedChange, SchemaCheck, SchemaStatus
from roost.migrations._schema_planning import SchemaPlans, plan_schemas
from roost.migrations._schema_units import PlannedUnit, SchemaUnit, plan_unit, planned_unit, units_of
from roost.migrations._service import MigrationService
from roost.migrations._snapshots import brought_about, differences, drift, from_json, last_snapshots, words_for_identity
from roost.migrations._versions import UNVERSIONED
from roost.postgres import Database, is_connection_lost, quote_literal, retrying, sqlstate_of
from roost.runtime import closest, parse_dependency
from roost.schema import allowed_by_environment, check_schema_names, declared_plugin, derive_schema_name, objects_in

if TYPE_CHECKING:
    from roost.migrations._run import MigrationRun
    from roost.postgres import DatabaseURL, MigrationSession
    from roost.runtime import Plugin
    from roost.schema import DeclaredPlugin, PluginChanges

NOT_REACHED = "RST07"


class DatabaseMigrationService(MigrationService):
    """Brings the database to where the plugins' declared schemas want it, or says why not.

    It takes its turn before all other migration services. What a plugin declares (`Plugin(schema=…)`, or `register_schema`) is made in a
    scratch database, compared with what is there, and the difference is judged and applied, a transaction a plugin. What would lose data is
    blocked unless `MigrationConfig.allow_data_loss` names it, and what roost did not make and no plugin declares is left alone.
    """

    service_name = "database-migration"

    @staticmethod
    def derive_schema_name(plugin_name: str, /) -> str:
        """Return the PostgreSQL schema that a plugin gets where it names none.

        Raises:
            InvalidSchemaName: The name would be longer than PostgreSQL's names are.
        """
        return derive_schema_name(plugin_name)

    def has_plugin_migrations(self, plugin_name: str, /) -> bool:
        """Tell whether a schema was registered for a plugin, or the plugin declares one."""
        return plugin_name in self._schemas or plugin_name in self._given()

    def declared_schemas(self) -> tuple[DeclaredPlugin, ...]:
        """Return what plugins declare, each behind those that it depends on.

        Raises:
            InvalidSchema: A declaration can't be read.
            InvalidSchemaName: A plugin can't have the schema that its name gives.
            SchemaNameCollision: Two plugins would get one schema without having said so.
        """
        found = tuple(declared_plugin(plugin, given) for plugin, given in self._given().items())
        check_schema_names(found)
        return found

    def _given(self) -> dict[str, object]:
        plugins: Sequence[Plugin] = () if self._runtime is None else getattr(self._runtime, "plugins", ())
        given: dict[str, object] = {plugin.name: plugin.schema for plugin in plugins}
        given.update(self._schemas)
        needs = {plugin.name: [parse_dependency(text)[0] for text in plugin.dependencies] for plugin in plugins}
        order = TopologicalSorter({name: sorted(needs.get(name, ())) for name in given}).static_order()
        return {name: given[name] for name in order if given.get(name) is not None}

    def declaring_plugins(self) -> tuple[str, ...]:
        """Return the plugins that declare a schema, each behind those that it depends on."""
        return tuple(self._given())

    def declarations(self) -> dict[str, str]:
        """Return what stands for each plugin's declaration; errors as of `declared_schemas`."""
        return {one.plugin: one.fingerprint for one in self.declared_schemas()}

    async def migrate(self, run: MigrationRun) -> None:
        """Bring every declared schema about; where one can't be, the others are all the same.

        Raises:
            DestructiveMigrationBlocked: A change would lose data that may not be lost; of its plugin nothing was changed.
            InvalidSchema: A declaration is no SQL that the server takes, or none of a schema.
            StepFailed: The server refused a change, such as a constraint that rows violate; nothing of its plugin was changed.
            SchemaHalfway: A part of the change that stands apart, because a table is large, failed; the next run goes on from there.
            SchemaNotReached: The schema would still differ after the change; nothing of its plugin was changed.
            SchemasFailed: Several of these at once.
            SchemaError: No declaration can be compared.
        """
        declared = self.declared_schemas()
        known = await brought_about(run.session)
        plans = SchemaPlans()
        if any(known.get(one.plugin) != one.fingerprint for one in declared):
            plans = await self._plan(run.session, declared, url=run.session.url, allowed=run.allow_data_loss, number=run.number)
        failures: list[tuple[str, Exception]] = []
        for one in declared:
            try:
                await self._bring_about(run, one, plans, known=known.get(one.plugin))
            except Exception as error:
                if run.is_broken:
                    raise
                failures.append((one.plugin, error))
        if len(failures) == 1:
            raise failures[0][1]
        if failures:
            told = [error.message if isinstance(error, RoostError) else str(error) for _, error in failures]
            reasons = tuple(reason.replace("\n", "\n  ") for reason in told)
            raise SchemasFailed(failures=tuple(failures), reasons=reasons) from failures[0][1]

    async def _bring_about(self, run: MigrationRun, declared: DeclaredPlugin, plans: SchemaPlans, *, known: str | None) -> None:
        # Also of a schema that is as it is declared the run has to know on what it is settled.
        units = [SchemaUnit(fingerprint=declared.fingerprint, sql="", description="", is_last=True)]
        if known != declared.fingerprint:
            refusal = plans.refusal(declared.plugin, environment=_environment())
            if refusal is not None:
                raise refusal
            units = units_of(declared, plans.changes[declared.plugin], plans.way(declared.plugin, known=known, run=run.number))
        version = self._version_of(declared.plugin)
        for index, unit in enumerate(units):
            try:
                await run.carry_out(
                    partial(_decide, unit, declared=declared, version=version, planned_over=known),
                    plugin=declared.plugin,
                    service=self.service_name,
                    schema=declared.schema,
                    makes_schema=False,
                )
            except (StepFailed, IndexConflict) as error:
                raised = _failure_of(error, units[index:], plugin=declared.plugin)
                if raised is error:
                    raise
                raise raised from error
            known = unit.fingerprint

    async def _plan(
        self,
        session: MigrationSession,
        declared: Sequence[DeclaredPlugin],
        *,
        url: DatabaseURL,
        allowed: Collection[str] = (),
        number: int = 0,
    ) -> SchemaPlans:
        config = self.config
        plan = partial(
            plan_schemas,
            session,
            declared,
            url=url,
            allowed=frozenset({*allowed, *config.allow_data_loss, *allowed_by_environment(os.environ)}),
            large_table_bytes=config.large_table_bytes,
            scratch_url=config.scratch_url or os.environ.get("ROOST_SCRATCH_URL"),
            run=number,
        )
        deadline = asyncio.timeout(config.schema_timeout)
        try:
            async with deadline:
                return await self._past_broken_lines(plan, session)
        except Exception as error:
            if deadline.expired():
                raise SchemaPlanTimeout(location=url.location, timeout=config.schema_timeout) from None
            if is_connection_lost(error) and (session.is_open or not number):
                raise SessionLost(location=url.location, attempts=config.max_retries, reason=str(error)) from error
            raise

    async def _past_broken_lines(self, plan: Callable[[], Awaitable[SchemaPlans]], session: MigrationSession) -> SchemaPlans:
        """Plan, and plan again where a line beside the session's own broke, as nothing is changed by that."""
        plans: list[SchemaPlans] = []
        async for attempt in retrying(
            attempts=self.config.max_retries,
            delay=self.config.retry_delay,
            max_delay=self.config.retry_max_delay,
            retryable=lambda error: session.is_open and (is_connection_lost(error) or isinstance(error, DatabaseUnreachable)),
        ):
            with attempt:
                plans.append(await plan())
        return plans[0]

    def _version_of(self, plugin: str) -> str:
        plugins: Sequence[Plugin] = () if self._runtime is None else getattr(self._runtime, "plugins", ())
        return next((one.version for one in plugins if one.name == plugin and one.version is not None), UNVERSIONED)

    async def planned_schemas(
        self, session: MigrationSession | None, /, *, allow_data_loss: Collection[str] = ()
    ) -> tuple[list[PlannedUnit], list[BlockedChange]]:
        """Return what a run would change, and what it would refuse for fear of loss; errors as of `migrate`, but for what is blocked.

        Args:
            session: Where the catalogue and the ledger are read.
            allow_data_loss: What may be lost, by name, beside what the configuration allows.
        """
        if session is None:
            raise NoDatabase(services=(self.service_name,))
        declared = self.declared_schemas()
        known = await brought_about(session)
        due = [one for one in declared if known.get(one.plugin) != one.fingerprint]
        if not due:
            return [], []
        plans = await self._plan(session, declared, url=self._migration_url(), allowed=allow_data_loss)
        units: list[PlannedUnit] = []
        blocked: list[BlockedChange] = []
        for one in due:
            _refuse(plans, one.plugin)
            changes = plans.changes[one.plugin]
            if changes.blocked:  # a run would change nothing of this plugin
                blocked += [BlockedChange(plugin=one.plugin, losses=change.loses, sql=change.sql) for change in changes.blocked]
                continue
            units += [
                planned_unit(unit, declared=one, version=self._version_of(one.plugin), objects=plans.objects[one.plugin])
                for unit in units_of(one, changes, plans.way(one.plugin, known=known.get(one.plugin), run=0))
            ]
        return units, blocked

    async def check_migration(self, plugin_name: str, schema: object = None, /) -> SchemaCheck:
        """Tell what it would take to bring a plugin's declared schema about, without changing anything.

        Args:
            plugin_name: The plugin.
            schema: What it is to declare instead of what it does declare.

        Raises:
            UnknownMigrationPlugin: Nobody declares a schema for it.
            NoDatabase: The runtime has no database.
            SchemaError: The declaration can't be used or compared.
        """
        given = {**self._given(), **({} if schema is None else {plugin_name: schema})}
        if plugin_name not in given:
            raise UnknownMigrationPlugin(plugin=plugin_name, known=tuple(given), suggestions=closest(plugin_name, list(given)))
        plans = await self._compared(given)
        _refuse(plans, plugin_name)
        return _check_of(plans.changes[plugin_name])

    async def check_schemas(self, schemas: Mapping[str, object] | None = None, /) -> tuple[SchemaCheck, ...]:
        """Tell how the database differs from what plugins declare, whatever was brought about before, without changing anything.

        Args:
            schemas: What is to be compared, by plugin, instead of what plugins declare.

        Returns:
            A check for each, in the order in which they would be brought about.

        Raises:
            NoDatabase: The runtime has no database.
            SchemaError: A declaration can't be used or compared.
        """
        given = self._given() if schemas is None else schemas
        self._migration_url()  # an address that is none is told, whatever there is to compare
        if not given:
            return ()
        plans = await self._compared(given)
        for plugin in given:
            _refuse(plans, plugin)
        return tuple(_check_of(plans.changes[plugin]) for plugin in given)

    async def _compared(self, given: Mapping[str, object]) -> SchemaPlans:
        declared = [declared_plugin(plugin, one) for plugin, one in given.items()]
        check_schema_names(declared)
        async with reading(self._bound()) as session:
            if session is None:
                raise NoDatabase(services=(self.service_name,))
            return await self._plan(session, declared, url=self._migration_url())

    async def get_status(self, plugin_name: str, /) -> SchemaStatus:
        """Tell where a plugin's declared schema stands.

        Raises:
            NoDatabase: The runtime has no database.
            DatabaseError: The database can't be asked.
        """
        declared = next((one for one in self.declared_schemas() if one.plugin == plugin_name), None)
        async with reading(self._bound()) as session:
            if session is None:
                raise NoDatabase(services=(self.service_name,))
            known = await brought_about(session)
            snapshot = (await last_snapshots(session)).get(plugin_name)
            drifted: tuple[str, ...] = ()
            if snapshot is not None:
                schemas = sorted({one.schema for one in snapshot.objects})
                drifted = drift(snapshot.objects, await objects_in(session, schemas)) if schemas else ()
        return SchemaStatus(
            plugin=plugin_name,
            schema=None if declared is None else declared.schema,
            has_run=plugin_name in known,
            is_pending=declared is not None and known.get(plugin_name) != declared.fingerprint,
            snapshots=0 if snapshot is None else snapshot.number,
            last_run=None if snapshot is None else snapshot.taken_at,
            drift=drifted,
        )

    async def reset(self, plugin_name: str, /) -> None:
        """Forget that a plugin's declared schema was ever brought about: its snapshots and history. What it made stays in the database.

        The next run adopts what it finds.

        Raises:
            NoDatabase: The runtime has no database.
            MigrationError: The run could not take its turn.
            DatabaseError: The database can't be used.
        """

        async def forget(run: MigrationRun) -> None:
            plugin, service = quote_literal(plugin_name), quote_literal(self.service_name)
            await run.in_turn(
                lambda turn: (
                    f"{turn.begin}; {turn.fence}; DELETE FROM roost.snapshot WHERE plugin = {plugin}; "
                    f"DELETE FROM roost.repeatable WHERE plugin = {plugin} AND step = {quote_literal(SCHEMA_STEP)}; "
                    f"DELETE FROM roost.history WHERE plugin = {plugin} AND service = {service}; "
                    f"UPDATE roost.plugin SET settled = NULL WHERE name = {plugin}; COMMIT"
                ),
                plugin=plugin_name,
                service=self.service_name,
            )

        await MigrationOrchestrator(self._bound()).in_a_run(self, forget)

    async def drifted(self, session: MigrationSession, plugin_name: str | None = None, /) -> tuple[str, ...]:
        """Tell what of declared schemas is no longer as it was brought about, each in a few words with its plugin in front.

        Args:
            session: Where the catalogue and the ledger are read.
            plugin_name: Only this plugin's.
        """
        found_last = await last_snapshots(session)
        snapshots = {name: one for name, one in found_last.items() if plugin_name in (None, name)}
        schemas = sorted({one.schema for snapshot in snapshots.values() for one in snapshot.objects})
        found = await objects_in(session, schemas) if schemas else []
        return tuple(f"{plugin}: {told}" for plugin, snapshot in snapshots.items() for told in drift(snapshot.objects, found))

    async def pending_schemas(self, session: MigrationSession | None) -> tuple[str, ...]:
        """Return the plugins whose declaration is another than the one that was brought about last; errors as of `declared_schemas`."""
        known: Mapping[str, str] = {} if session is None else await brought_about(session)
        return tuple(one.plugin for one in self.declared_schemas() if known.get(one.plugin) != one.fingerprint)

    def _migration_url(self) -> DatabaseURL:
        return self._bound().get_service(Database).migration_url


def _decide(unit: SchemaUnit, state: PluginState, *, declared: DeclaredPlugin, version: str, planned_over: str | None) -> Plan:
    plan = plan_unit(unit, state, declared=declared, version=version, planned_over=planned_over)
    if plan is None:
        raise MigrationLockLost(detail=f"another run has changed the schema of plugin {declared.plugin} meanwhile")
    return plan


def _failure_of(error: StepFailed | IndexConflict, rest: Sequence[SchemaUnit], *, plugin: str) -> RoostError:
    """Return what a failure means for the schema; the error itself where nothing of the change is left.

    Args:
        error: The failure.
        rest: The part of the change that failed, and all that would have followed.
        plugin: The plugin.
    """
    cause, raised = error.__cause__, error
    if cause is not None and sqlstate_of(cause) == NOT_REACHED:
        missing = from_json(getattr(cause, "detail", None) or "[]")
        return SchemaNotReached(plugin=plugin, differences=differences(missing), is_halfway=rest[0].is_behind)
    if not rest[0].is_behind:
        return raised
    return SchemaHalfway(plugin=plugin, rest=tuple(unit.sql for unit in rest), reason=raised.message, reason_hint=raised.hint)


def _refuse(plans: SchemaPlans, plugin: str) -> None:
    """Raise what is to be refused however much may be lost."""
    refusal = plans.refusal(plugin, environment=_environment())
    if refusal is not None and not isinstance(refusal, DestructiveMigrationBlocked):
        raise refusal


def _check_of(changes: PluginChanges) -> SchemaCheck:
    every = changes.every
    losses = tuple(dict.fromkeys(loss for change in every for loss in change.loses))
    return SchemaCheck(
        plugin=changes.plugin,
        schema=changes.schema,
        statements=tuple(change.sql for change in every),
        has_data_loss=bool(losses),
        losses=losses,
        warnings=tuple(
            f"{words_for_identity(change.object)}: {change.why}{f'; it takes {change.lock}' if change.lock else ''}"
            for change in every
            if change.risk != "safe"
        ),
        is_blocked=bool(changes.blocked),
        changes=every,
        left_alone=tuple(words_for_identity(one) for one in changes.left_alone),
    )


def _environment() -> str:
    return "development" if os.environ.get("ROOST_ENV") == "development" else "production"
