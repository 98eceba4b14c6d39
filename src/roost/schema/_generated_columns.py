"""Lets a column change its type that others are computed from: the server refuses that while they are there. Pure, but for one query."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from roost.postgres import MigrationSession, ParsedStatement, parse_sql, quote_identifier, quote_literal
from roost.schema._serials import ColumnName

_GENERATED = """
SELECT n.nspname, c.relname, a.attname,
       concat(
           format_type(a.atttypid, a.atttypmod),
           CASE WHEN a.attcollation <> t.typcollation THEN concat(' COLLATE ', quote_ident(k.nspname), '.', quote_ident(l.collname)) END,
           ' GENERATED ALWAYS AS (', pg_get_expr(d.adbin, d.adrelid), CASE a.attgenerated WHEN 's' THEN ') STORED' ELSE ') VIRTUAL' END,
           CASE WHEN a.attnotnull THEN ' NOT NULL' END
       ),
       CASE WHEN a.attacl IS NOT NULL OR EXISTS (
           SELECT FROM pg_depend p LEFT JOIN pg_constraint o ON p.classid = 'pg_constraint'::regclass AND o.oid = p.objid
           WHERE p.refclassid = 'pg_class'::regclass AND p.refobjid = c.oid AND p.refobjsubid = a.attnum
             AND p.objid <> d.oid AND o.contype IS DISTINCT FROM 'n'
       ) THEN 'used' END,
       col_description(c.oid, a.attnum), b.attname
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r' AND NOT c.relispartition
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_type t ON t.oid = a.atttypid
JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
JOIN pg_depend e ON e.refclassid = 'pg_class'::regclass AND e.refobjid = c.oid AND (
    e.classid = 'pg_attrdef'::regclass AND e.objid = d.oid
    OR e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.objsubid = a.attnum  -- before PostgreSQL 15
)
JOIN pg_attribute b ON b.attrelid = c.oid AND b.attnum = e.refobjsubid AND b.attnum <> a.attnum
LEFT JOIN pg_collation l ON l.oid = a.attcollation
LEFT JOIN pg_namespace k ON k.oid = l.collnamespace
WHERE a.attgenerated <> ''
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedColumn:
    """A column that is computed from others.

    Attributes:
        definition: What stands behind its name where it is added.
        is_used: Whether an index, a constraint, a privilege or the like would go with it, or a view keeps it.
        comment: What is said about it.
        sources: The columns that it is computed from.
    """

    definition: str
    is_used: bool
    comment: str | None
    sources: frozenset[str]


async def generated_columns(session: MigrationSession, schemas: Collection[str]) -> dict[ColumnName, GeneratedColumn]:
    """Read the columns of schemas' tables that are computed from others.

    Raises:
        Exception: As the driver raises it.
    """
    names = ", ".join(quote_literal(name) for name in sorted(schemas))
    found: dict[ColumnName, GeneratedColumn] = {}
    rows = await session.rows(f"{_GENERATED} AND n.nspname = ANY (ARRAY[{names}]::name[])")
    for schema, table, column, definition, used, comment, source in rows:
        place = schema or "", table or "", column or ""
        sources = (found[place].sources if place in found else frozenset()) | {source or ""}
        found[place] = GeneratedColumn(definition=definition or "", is_used=used is not None, comment=comment, sources=sources)
    return found


def with_generated_anew(
    statements: Sequence[ParsedStatement], real: Mapping[ColumnName, GeneratedColumn], declared: Mapping[ColumnName, GeneratedColumn]
) -> list[ParsedStatement]:
    """Return statements with columns dropped before the type of one changes that they are computed from, and added again behind that.

    One that something else uses stays, and the server refuses the change: what would go with it might be nobody's here.

    Args:
        statements: The statements, in order.
        real: The computed columns of the database that is to change.
        declared: Those of the database that is as it should be.
    """
    ordered = list(statements)
    for place in sorted(real.keys() & declared.keys()):
        changes = [_changed(statement, place[:2]) for statement in ordered]
        retyped = [index for index, (form, column) in enumerate(changes) if form == "AT_AlterColumnType" and column in real[place].sources]
        own = [index for index, (_, column) in enumerate(changes) if column == place[2]]
        if not retyped or real[place].is_used or any(changes[index][0] != "AT_AlterColumnType" for index in own):
            continue
        path, name = ".".join(map(quote_identifier, place[:2])), quote_identifier(place[2])
        away = parse_sql(f"ALTER TABLE {path} DROP COLUMN {name}") or ()
        back = parse_sql(_making(declared[place], path, name)) or ()
        kept = [statement for index, statement in enumerate(ordered) if index not in own]
        first, last = kept.index(ordered[retyped[0]]), kept.index(ordered[retyped[-1]])
        ordered = [*kept[:first], *away, *kept[first : last + 1], *back, *kept[last + 1 :]]
    return ordered


def _making(column: GeneratedColumn, path: str, name: str) -> str:
    made = f"ALTER TABLE {path} ADD COLUMN {name} {column.definition}"
    return made if column.comment is None else f"{made}; COMMENT ON COLUMN {path}.{name} IS {quote_literal(column.comment)}"


def _changed(statement: ParsedStatement, table: tuple[str, str]) -> tuple[str, str]:
    """Return how a statement changes which column of a table; nothing of another."""
    relation = statement.tree.get("relation", {})
    if statement.kind != "alter_table_stmt" or (relation.get("schemaname"), relation.get("relname")) != table:
        return "", ""
    command = statement.tree["cmds"][0]["alter_table_cmd"]
    return command["subtype"], str(command.get("name", ""))
