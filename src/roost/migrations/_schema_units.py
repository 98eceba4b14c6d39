"""Puts the changes of one declared schema into transactions, each as a repeatable step is one. Pure text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from roost.migrations._plan import SCHEMA_STEP, Plan, PluginState
from roost.migrations._repeatable import PlannedRepeatable
from roost.migrations._repeatable_step import RepeatableStep
from roost.migrations._snapshots import to_json
from roost.postgres import quote_literal
from roost.schema import objects_query

if TYPE_CHECKING:
    from roost.schema import DeclaredPlugin, PluginChanges, SchemaChange, SchemaObject

ADOPTED = "schema:adopted"
HALFWAY = "schema:halfway"
"""Stand in the ledger for a schema that was found and noted, and for one of whose change the first transaction is committed."""

NOTHING = "SELECT -- nothing had to be changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaUnit:
    """One transaction of a schema's change.

    Attributes:
        fingerprint: What the ledger holds of the schema once it is committed.
        sql: The changes.
        description: What it does, for people.
        snapshot: Of what the schema consists then, as far as it is the plugin's; None where that is not noted yet.
        is_last: Whether the schema is as it is declared then.
    """

    fingerprint: str
    sql: str
    description: str
    snapshot: tuple[SchemaObject, ...] | None
    is_last: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedUnit:
    """One transaction of a schema's change, as a dry run tells it and a rehearsal carries it out.

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


def units_of(
    declared: DeclaredPlugin, changes: PluginChanges, *, objects: Sequence[SchemaObject], adopted: Sequence[SchemaObject]
) -> list[SchemaUnit]:
    """Put a schema's changes into transactions, in order.

    Args:
        declared: The declaration.
        changes: What is to be changed.
        objects: Of what the declaration consists.
        adopted: What of it was there before roost ever changed the schema.
    """
    units: list[SchemaUnit] = []
    if adopted and changes.changes:
        units.append(SchemaUnit(fingerprint=ADOPTED, sql=NOTHING, description="Note what is there", snapshot=tuple(adopted)))
    if changes.first:
        described = f"Add values that the rest of the change uses: {_count(changes.first)}"
        units.append(SchemaUnit(fingerprint=HALFWAY, sql=_text(changes.first), description=described, snapshot=None))
    described = f"Bring the declared schema about: {_count(changes.changes)}"
    text = _text(changes.changes)
    snapshot = tuple(objects)
    units.append(SchemaUnit(fingerprint=declared.fingerprint, sql=text, description=described, snapshot=snapshot, is_last=True))
    return units


def planned_unit(unit: SchemaUnit, *, declared: DeclaredPlugin, version: str) -> PlannedUnit:
    """Return one transaction as a dry run tells it; arguments as of `plan_unit`."""
    step = RepeatableStep(SCHEMA_STEP, unit.description, up=unit.sql)
    return PlannedUnit(
        plugin=declared.plugin,
        schema=declared.schema,
        planned=PlannedRepeatable(step=step, version=version, fingerprint=unit.fingerprint, planned_over=None),
        objects=unit.snapshot if unit.is_last else None,
    )


def plan_unit(
    unit: SchemaUnit, state: PluginState, *, declared: DeclaredPlugin, version: str, planned_over: str | None, run: int
) -> Plan | None:
    """Plan one transaction; None where the ledger holds something else than that it was planned over.

    Args:
        unit: The transaction.
        state: What the ledger holds.
        declared: The declaration.
        version: What the history says as the version.
        planned_over: What the ledger must hold of the schema.
        run: The number of the run.
    """
    ran = next((row.fingerprint for row in state.repeated if row.step == SCHEMA_STEP), None)
    if ran not in (unit.fingerprint, planned_over):
        return None
    again: tuple[PlannedRepeatable, ...] = ()
    if ran != unit.fingerprint:
        epilogue = _epilogue(unit, declared=declared, run=run)
        planned = planned_unit(unit, declared=declared, version=version).planned
        again = (replace(planned, planned_over=planned_over, epilogue=epilogue),)
    known = ((SCHEMA_STEP, unit.fingerprint),) if unit.is_last else ()
    return Plan(plugin=declared.plugin, from_version=state.version, target=None, repeatable=again, repeatable_declared=known)


def _epilogue(unit: SchemaUnit, *, declared: DeclaredPlugin, run: int) -> str:
    if unit.snapshot is None:
        return ""
    plugin, objects = quote_literal(declared.plugin), quote_literal(to_json(unit.snapshot))
    check = ""
    if unit.is_last:
        found = (
            "(SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(kind, schema, parent, name, definition)) "
            f"FROM ({objects_query([declared.schema])}) AS found)"
        )
        check = f"SELECT roost.check_objects({plugin}, {objects}::pg_catalog.jsonb, coalesce({found}, '[]')); "
    keep = f"SELECT roost.keep_snapshot({run}, {plugin}, {quote_literal(unit.fingerprint)}, {objects}::pg_catalog.jsonb); "
    # Definitions name what they use by its schema only where no path leads to it. Compiling the query would take longer than running it.
    return f"SET LOCAL search_path = ''; SET LOCAL jit = off; {check}{keep}"


def _text(changes: Sequence[SchemaChange]) -> str:
    return "\n".join(f"{change.sql.rstrip().rstrip(';')};" for change in changes) or NOTHING


def _count(changes: Sequence[SchemaChange]) -> str:
    return "1 statement" if len(changes) == 1 else f"{len(changes)} statements"
