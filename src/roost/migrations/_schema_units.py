"""Puts the changes of one declared schema into transactions, each as a repeatable step is one. Pure text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from roost.migrations._plan import SCHEMA_STEP, Plan, PluginState
from roost.migrations._repeatable import PlannedRepeatable
from roost.migrations._repeatable_step import RepeatableStep
from roost.migrations._snapshots import to_json, words_for_identity
from roost.postgres import quote_literal
from roost.schema import objects_query

if TYPE_CHECKING:
    from roost.schema import DeclaredPlugin, PluginChanges, SchemaChange, SchemaObject

ADOPTED = "schema:adopted"
HALFWAY = "schema:halfway"
"""Stand in the ledger for a schema that was found and noted, and for one that is on its way; behind that stands how many steps it took."""

NOTHING = "SELECT -- nothing had to be changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaUnit:
    """One transaction of a schema's change, or one statement outside of any.

    Attributes:
        fingerprint: What the ledger holds of the schema once it is committed.
        sql: The changes.
        description: What it does, for people.
        snapshot: The statement, with its semicolon, that keeps what the schema consists of then, as far as it is the plugin's; empty where
            that is not noted.
        is_last: Whether the schema is as it is declared then.
        is_transaction: Whether it is a transaction.
        is_behind: Whether the main transaction of the change is committed before it.
    """

    fingerprint: str
    sql: str
    description: str
    snapshot: str = ""
    is_last: bool = False
    is_transaction: bool = True
    is_behind: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedUnit:
    """One part of a schema's change, as a dry run tells it and a rehearsal carries it out.

    Attributes:
        plugin: The plugin that declares the schema.
        schema: The PostgreSQL schema.
        planned: The step that it is in a run, without what a run notes in the ledger.
        objects: What must be there once it is done; None where more is to come.
    """

    plugin: str
    schema: str
    planned: PlannedRepeatable
    objects: tuple[SchemaObject, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What is known of a schema on its way.

    Attributes:
        known: What the ledger holds of it.
        objects: Of what the declaration consists.
        adopted: What of it was there before roost ever changed the schema.
        owned: Of what the schema consisted when it was changed last.
        run: The number of the run; 0 outside of one.
    """

    known: str | None
    objects: Sequence[SchemaObject]
    adopted: Sequence[SchemaObject] = ()
    owned: Sequence[SchemaObject] = ()
    run: int = 0


def units_of(declared: DeclaredPlugin, changes: PluginChanges, way: Way) -> list[SchemaUnit]:
    """Put a schema's changes into transactions, in order.

    Args:
        declared: The declaration.
        changes: What is to be changed.
        way: What is known of it.
    """
    units: list[SchemaUnit] = []
    stages = _Stages(way.known)
    if way.adopted and changes.every:
        noted = _keep(way.run, declared.plugin, ADOPTED, _literal(way.adopted))
        units.append(SchemaUnit(fingerprint=ADOPTED, sql=NOTHING, description="Note what is there", snapshot=noted))
    if changes.counts:
        counted = "1 query" if len(changes.counts) == 1 else f"{len(changes.counts)} queries"
        described = f"Count the rows that the change would refuse: {counted}"
        units.append(SchemaUnit(fingerprint=stages.next(), sql="\n".join(changes.counts), description=described))
    if changes.first:
        described = f"Add values that the rest of the change uses: {_count(changes.first)}"
        units.append(SchemaUnit(fingerprint=stages.next(), sql=_text(changes.first), description=described))
    described = f"Bring the declared schema about: {_count(changes.changes)}"
    text = _text(changes.changes)
    whole = _check_and_keep(declared, way)
    if not changes.apart:
        return [*units, SchemaUnit(fingerprint=declared.fingerprint, sql=text, description=described, snapshot=whole, is_last=True)]
    described = described if changes.changes else "Note what is there"
    kept = _keep_halfway(declared, changes, way, fingerprint=(halfway := stages.next()))
    units.append(SchemaUnit(fingerprint=halfway, sql=text, description=described, snapshot=kept))
    for stage in changes.apart[:-1]:
        (change,) = stage.changes
        units.append(
            SchemaUnit(
                fingerprint=stages.next(),
                sql=_text(stage.changes),
                description=f"{change.why[0].upper()}{change.why[1:]}: {words_for_identity(change.object)}",
                is_transaction=stage.is_transaction,
                is_behind=True,
            )
        )
    end = changes.apart[-1].changes
    described = f"End the change: {_count(end)}" if end else "End the change"
    return [
        *units,
        SchemaUnit(fingerprint=declared.fingerprint, sql=_text(end), description=described, snapshot=whole, is_last=True, is_behind=True),
    ]


def planned_unit(unit: SchemaUnit, *, declared: DeclaredPlugin, version: str, objects: Sequence[SchemaObject]) -> PlannedUnit:
    """Return one part as a dry run tells it.

    Args:
        unit: The part.
        declared: The declaration.
        version: What the history says as the version.
        objects: Of what the declaration consists.
    """
    return PlannedUnit(
        plugin=declared.plugin,
        schema=declared.schema,
        planned=_planned(unit, version=version),
        objects=tuple(objects) if unit.is_last else None,
    )


def plan_unit(unit: SchemaUnit, state: PluginState, *, declared: DeclaredPlugin, version: str, planned_over: str | None) -> Plan | None:
    """Plan one transaction; None where the ledger holds something else than that it was planned over.

    Args:
        unit: The transaction.
        state: What the ledger holds.
        declared: The declaration.
        version: What the history says as the version.
        planned_over: What the ledger must hold of the schema.
    """
    ran = next((row.fingerprint for row in state.repeated if row.step == SCHEMA_STEP), None)
    if ran not in (unit.fingerprint, planned_over):
        return None
    again: tuple[PlannedRepeatable, ...] = ()
    if ran != unit.fingerprint:
        # Definitions name what they use by its schema only where no path leads to it. Compiling the query takes longer than running it.
        epilogue = f"SET LOCAL search_path = ''; SET LOCAL jit = off; {unit.snapshot}" if unit.snapshot else ""
        again = (replace(_planned(unit, version=version), planned_over=planned_over, epilogue=epilogue),)
    known = ((SCHEMA_STEP, unit.fingerprint),) if unit.is_last else ()
    return Plan(plugin=declared.plugin, from_version=state.version, target=None, repeatable=again, repeatable_declared=known)


def _planned(unit: SchemaUnit, *, version: str) -> PlannedRepeatable:
    return PlannedRepeatable(
        step=RepeatableStep(SCHEMA_STEP, unit.description, up=unit.sql),
        version=version,
        fingerprint=unit.fingerprint,
        planned_over=None,
        transactional=unit.is_transaction,
    )


class _Stages:
    """Numbers what stands in the ledger for a schema on its way, on from what stands there."""

    def __init__(self, known: str | None) -> None:
        number = (known or "").removeprefix(f"{HALFWAY}:")
        self._last = int(number) if number.isdigit() else 0

    def next(self) -> str:
        self._last += 1
        return f"{HALFWAY}:{self._last}"


def _check_and_keep(declared: DeclaredPlugin, way: Way) -> str:
    """Write what refuses a schema that is not as it is declared, and keeps what it consists of."""
    objects = _literal(way.objects)
    found = (
        "(SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(kind, schema, parent, name, definition)) "
        f"FROM ({objects_query([declared.schema])}) AS found)"
    )
    check = f"SELECT roost.check_objects({quote_literal(declared.plugin)}, {objects}, coalesce({found}, '[]')); "
    return f"{check}{_keep(way.run, declared.plugin, declared.fingerprint, objects)}"


def _keep_halfway(declared: DeclaredPlugin, changes: PluginChanges, way: Way, *, fingerprint: str) -> str:
    """Write what keeps what is the plugin's in the middle of a change: another declaration may come before its end.

    Indexes that are about to be built belong to it too.
    """
    built = {change.object for stage in changes.apart if not stage.is_transaction for change in stage.changes}
    to_come = _literal([one for one in way.objects if one.identity in built])
    own = json.dumps(sorted({one.identity for one in (*way.owned, *way.adopted, *way.objects)}), ensure_ascii=False)
    schemas = sorted({declared.schema, *(one.schema for one in way.owned)})
    there = (
        "SELECT pg_catalog.jsonb_build_array(kind, schema, parent, name, definition) AS one "
        f"FROM ({objects_query(schemas)}) AS found WHERE pg_catalog.jsonb_build_array(kind, schema, parent, name) IN "
        f"(SELECT pg_catalog.jsonb_array_elements({quote_literal(own)}::pg_catalog.jsonb))"
    )
    every = f"{there} UNION SELECT pg_catalog.jsonb_array_elements({to_come})"
    objects = f"(SELECT coalesce(pg_catalog.jsonb_agg(one ORDER BY one), '[]') FROM ({every}) AS own)"
    return _keep(way.run, declared.plugin, fingerprint, objects)


def _keep(run: int, plugin: str, fingerprint: str, objects: str) -> str:
    return f"SELECT roost.keep_snapshot({run}, {quote_literal(plugin)}, {quote_literal(fingerprint)}, {objects}); "


def _literal(objects: Iterable[SchemaObject]) -> str:
    return f"{quote_literal(to_json(objects))}::pg_catalog.jsonb"


def _text(changes: Sequence[SchemaChange]) -> str:
    return "\n".join(f"{change.sql.rstrip().rstrip(';')};" for change in changes) or NOTHING


def _count(changes: Sequence[SchemaChange]) -> str:
    return "1 statement" if len(changes) == 1 else f"{len(changes)} statements"
