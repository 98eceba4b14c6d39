"""Names of NOT NULL constraints, which they have from PostgreSQL 18 on, where a table becomes a partition or is one no more.

A partition that is made as one has the names of its table's; one that is attached keeps its own, and one that is detached what it had.
Pure, but for one query.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TypeAlias

from roost.postgres import MigrationSession, ParsedStatement, parse_sql, quote_identifier, quote_literal
from roost.schema._serials import ColumnName

NotNullNames: TypeAlias = Mapping[ColumnName, str]

_NAMES = """
SELECT n.nspname, c.relname, a.attname, o.conname
FROM pg_constraint o
JOIN pg_class c ON c.oid = o.conrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = o.conkey[1]
WHERE o.contype = 'n'
"""


async def not_null_names(session: MigrationSession, schemas: Collection[str]) -> dict[ColumnName, str]:
    """Read the names of the NOT NULL constraints of some schemas' tables; before PostgreSQL 18 there are none.

    Raises:
        Exception: As the driver raises it.
    """
    names = ", ".join(quote_literal(name) for name in sorted(schemas))
    rows = await session.rows(f"{_NAMES} AND n.nspname = ANY (ARRAY[{names}]::name[])")
    return {(schema or "", table or "", column or ""): name or "" for schema, table, column, name in rows}


def with_not_null_names(statements: Sequence[ParsedStatement], real: NotNullNames, declared: NotNullNames) -> list[ParsedStatement]:
    """Return statements with constraints renamed before their table becomes a partition, or behind where it is one no more.

    In between, the server lets no partition have other names than its table.

    Args:
        statements: The statements, in order.
        real: The names in the database that is to change.
        declared: Those in the database that is as it should be.
    """
    ordered: list[ParsedStatement] = []
    for statement in statements:
        form, table = _moved(statement)
        names = {column: name for column, name in real.items() if column[:2] == table}
        renamed = [_renaming(table, old, declared[column]) for column, old in sorted(names.items()) if declared.get(column, old) != old]
        moved = parse_sql(";\n".join(renamed)) or ()
        ordered += [*moved, statement] if form == "AT_AttachPartition" else [statement, *moved]
    return ordered


def _renaming(table: tuple[str, str], old: str, new: str) -> str:
    return f"ALTER TABLE {'.'.join(map(quote_identifier, table))} RENAME CONSTRAINT {quote_identifier(old)} TO {quote_identifier(new)}"


def _moved(statement: ParsedStatement) -> tuple[str, tuple[str, str]]:
    """Return what a statement does to which table, if it attaches or detaches a partition."""
    if statement.kind == "alter_table_stmt":
        for node in statement.tree["cmds"]:
            command = node["alter_table_cmd"]
            if command["subtype"] in {"AT_AttachPartition", "AT_DetachPartition"}:
                name = command["def"]["partition_cmd"]["name"]
                return command["subtype"], (name.get("schemaname", ""), name["relname"])
    return "", ("", "")
