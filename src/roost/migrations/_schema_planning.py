"""Works out what it takes to bring declared schemas about: by a scratch database, a comparison, and a judgement of each change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from roost.errors import SchemaUnsupported
from roost.migrations._schema_units import Way
from roost.migrations._snapshots import last_snapshots
from roost.schema import (
    at_once,
    blocked_error,
    declare,
    difference,
    effective_renames,
    large_tables,
    objects_in,
    plan_schema_changes,
    scratch_database,
    undo_statements,
)

if TYPE_CHECKING:
    from roost.migrations._snapshots import Snapshot
    from roost.postgres import DatabaseURL, MigrationSession
    from roost.schema import DeclaredPlugin, PluginChanges, SchemaObject


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaPlans:
    """What it takes to bring the schemas of several plugins about.

    Attributes:
        changes: By plugin what is to be changed, and what is not for fear of loss.
        objects: By plugin of what its declaration consists.
        adopted: By plugin what of that was in the database before roost ever changed the schema.
        owned: By plugin of what its schema consisted when it was changed last.
        failed: By plugin why its declaration can't be used.
    """

    changes: Mapping[str, PluginChanges] = field(default_factory=dict)
    objects: Mapping[str, tuple[SchemaObject, ...]] = field(default_factory=dict)
    adopted: Mapping[str, tuple[SchemaObject, ...]] = field(default_factory=dict)
    owned: Mapping[str, tuple[SchemaObject, ...]] = field(default_factory=dict)
    failed: Mapping[str, Exception] = field(default_factory=dict)

    def refusal(self, plugin: str, *, environment: str) -> Exception | None:
        """Return why a plugin's schema is not brought about; None where it can be."""
        if plugin in self.failed:
            return self.failed[plugin]
        changes = self.changes[plugin]
        if changes.refused:
            return SchemaUnsupported(findings=tuple(f"{plugin}: {reason}" for reason in changes.refused))
        return blocked_error(changes, environment=environment) if changes.blocked else None

    def way(self, plugin: str, *, known: str | None, run: int) -> Way:
        """Return what is known of a plugin's schema on its way; arguments as of `Way`."""
        return Way(
            known=known, objects=self.objects[plugin], adopted=self.adopted.get(plugin, ()), owned=self.owned.get(plugin, ()), run=run
        )


async def plan_schemas(
    session: MigrationSession,
    declared: Sequence[DeclaredPlugin],
    *,
    url: DatabaseURL,
    allowed: frozenset[str],
    scratch_url: str | None,
    large_table_bytes: int | None,
    run: int,
) -> SchemaPlans:
    """Hold what plugins declare against the database. Nothing in it is changed; a scratch database comes and goes.

    Args:
        session: Where the catalogue and the ledger are read.
        declared: What plugins declare, each behind those that it depends on.
        url: The database.
        allowed: What may be lost, by name.
        scratch_url: Where scratch databases are made instead of on the database's own server.
        large_table_bytes: From how many bytes on nobody is to be kept from a table for as long as it takes to read it; None for none.
        run: The number of the run, by which the scratch database is named; 0 outside of one.

    Raises:
        ScratchUnavailable: Nowhere may a scratch database be made.
        SchemaExtraMissing: What compares databases is not installed.
        SchemaUnsupported: The schemas can't be compared, and it is not that of one plugin that stands in the way.
        DatabaseError: The database can't be used.
    """
    snapshots = await last_snapshots(session)
    async with scratch_database(url, run=run, scratch_url=scratch_url) as scratch:
        every = sorted({one.schema for one in declared})
        there, made = await at_once(objects_in(session, every), declare(scratch, declared))
        usable = [one for one in declared if one.plugin not in made.failed]
        schemas = sorted({one.schema for one in usable})
        real = [one for one in there if one.schema in schemas]
        for one in usable:
            # Where it is called in both as in the database, a comparison keeps what is in it.
            for statement in undo_statements(effective_renames(one, real=real, declared=made.objects[one.plugin])):
                await scratch.session.execute(statement)
        large = await large_tables(session, schemas, least=large_table_bytes)
        statements, incomparable = await _compared(url, scratch.url, usable)
    changes = plan_schema_changes(
        statements,
        plugins=usable,
        real=real,
        declared={plugin: objects for plugin, objects in made.objects.items() if plugin not in incomparable},
        owned={plugin: [one.identity for one in snapshot.objects] for plugin, snapshot in snapshots.items()},
        allow_data_loss=allowed,
        large=large,
    )
    return SchemaPlans(
        changes=changes,
        objects=made.objects,
        adopted=_adopted(made.objects, real=real, snapshots=snapshots),
        owned={plugin: snapshot.objects for plugin, snapshot in snapshots.items()},
        failed={**made.failed, **incomparable},
    )


async def _compared(
    url: DatabaseURL, scratch: DatabaseURL, plugins: Sequence[DeclaredPlugin]
) -> tuple[tuple[str, ...], dict[str, SchemaUnsupported]]:
    """Compare the schemas of all plugins but those that can't be compared, which are told by plugin.

    One comparison serves all, and one change that can't be written refuses it as a whole: only then each is tried by itself.
    """
    schemas = sorted({one.schema for one in plugins})
    try:
        return await difference(url, scratch, schemas=schemas), {}
    except SchemaUnsupported as error:
        refusal = error
    refused: dict[str, SchemaUnsupported] = {}
    for schema in schemas:
        try:
            await difference(url, scratch, schemas=[schema])
        except SchemaUnsupported as error:
            refused[schema] = error
    if not refused:
        raise refusal
    others = [schema for schema in schemas if schema not in refused]
    statements = await difference(url, scratch, schemas=others) if others else ()
    return statements, {one.plugin: refused[one.schema] for one in plugins if one.schema in refused}


def _adopted(
    objects: Mapping[str, tuple[SchemaObject, ...]], *, real: Sequence[SchemaObject], snapshots: Mapping[str, Snapshot]
) -> dict[str, tuple[SchemaObject, ...]]:
    found = {one.identity: one for one in real if one.kind != "schema"}
    return {
        plugin: tuple(found[one.identity] for one in declared if one.identity in found)
        for plugin, declared in objects.items()
        if plugin not in snapshots
    }
