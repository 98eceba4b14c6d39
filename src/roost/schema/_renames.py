"""Renames of tables and columns by hint: undone before a comparison, so that it keeps the data, and done after it. Pure.

The server keeps the names of sequences, and from PostgreSQL 18 on of NOT NULL constraints, when a table or a column gets another name;
those that it chose itself are renamed too, so that a renamed table is as one that was declared under its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from roost.postgres import dollar_quote, quote_identifier, quote_literal
from roost.schema._changes import SchemaChange
from roost.schema._definitions import is_identity, is_not_null, owner_of_sequence
from roost.schema._reading import EXCLUSIVE, SHARE_ROW

if TYPE_CHECKING:
    from roost.schema._catalogue import SchemaObject
    from roost.schema._changes import Identity
    from roost.schema._declaration import DeclaredPlugin

_RELATIONS = frozenset({"table", "foreign table", "view", "materialized view", "sequence", "index", "type"})
"""What a table shares its names with."""

_LONGEST = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class Rename:
    """A table or a column that gets another name.

    Attributes:
        schema: The PostgreSQL schema.
        table: The table's old name.
        new_table: Its new name, which may be the old one for a column.
        column: The column's old name; empty where the table itself is renamed.
        new_column: Its new name.
    """

    schema: str
    table: str
    new_table: str
    column: str = ""
    new_column: str = ""


def effective_renames(plugin: DeclaredPlugin, *, real: Sequence[SchemaObject], declared: Sequence[SchemaObject]) -> tuple[Rename, ...]:
    """Return the hints that have something to do: the old name is in the database and not declared, the new one the other way round.

    Args:
        plugin: The plugin, with its hints.
        real: The objects of the database.
        declared: What the plugin's declaration makes, under the names of the declaration.

    Returns:
        The renames, those of tables first.
    """
    schema = plugin.schema
    before, after = _Names(schema, real), _Names(schema, declared)
    tables: dict[str, str] = {}
    for old, new in plugin.renames:
        table, new_table = before.table(old), after.table(new)
        if table and new_table and not before.has(new_table) and not after.has(table):
            tables[table] = new_table
    columns: dict[tuple[str, str], Rename] = {}
    for old, new in plugin.renames:
        for table in sorted(before.tables & {*tables, *after.tables}):
            new_table = tables.get(table, table)
            column = before.column(old, table) or before.column(old, table, called=new_table)
            new_column = after.column(new, new_table)
            if column and new_column and (table, new_column) not in before.columns and (new_table, column) not in after.columns:
                found = Rename(schema=schema, table=table, new_table=new_table, column=column, new_column=new_column)
                columns[table, column] = found
    return (*(Rename(schema=schema, table=table, new_table=new) for table, new in tables.items()), *columns.values())


class _Names:
    """The tables and columns of a schema, by what people write for them."""

    def __init__(self, schema: str, objects: Sequence[SchemaObject]) -> None:
        here = [thing for thing in objects if thing.schema == schema]
        self.schema = schema
        self.relations = {thing.name for thing in here if thing.kind in _RELATIONS}
        self.tables = {thing.name for thing in here if thing.kind == "table"}
        self.columns = {(thing.parent, thing.name) for thing in here if thing.kind == "column"}

    def has(self, name: str) -> bool:
        return name in self.relations

    def table(self, written: str) -> str:
        return next((name for name in (written, written.removeprefix(f"{self.schema}.")) if name in self.tables), "")

    def column(self, written: str, table: str, *, called: str | None = None) -> str:
        for one in (written, written.removeprefix(f"{self.schema}.")):
            name = one.removeprefix(f"{called or table}.")
            if name != one and (table, name) in self.columns:
                return name
        return ""


def undo_statements(renames: Sequence[Rename]) -> tuple[str, ...]:
    """Write what gives the tables and columns in a scratch database their old names, so that a comparison finds them under one name.

    Args:
        renames: The effective ones of a plugin.
    """
    columns = [one for one in renames if one.column]
    tables = [one for one in renames if not one.column]
    return (
        *(_renaming(one.schema, one.new_table, f"COLUMN {quote_identifier(one.new_column)}", one.column) for one in columns),
        *(_renaming(one.schema, one.new_table, "", one.table) for one in tables),
    )


def under_old_names(declared: Sequence[SchemaObject], renames: Sequence[Rename]) -> tuple[SchemaObject, ...]:
    """Return declared objects as they are called after `undo_statements`; definitions are as they were.

    Args:
        declared: The objects under the names of the declaration.
        renames: The effective ones of a plugin.
    """
    tables = {(one.schema, one.new_table): one.table for one in renames if not one.column}
    columns = {(one.schema, one.new_table, one.new_column): one.column for one in renames if one.column}
    return tuple(_under_old_name(thing, tables, columns) for thing in declared)


def _under_old_name(thing: SchemaObject, tables: dict[tuple[str, str], str], columns: dict[tuple[str, str, str], str]) -> SchemaObject:
    name = thing.name
    if thing.kind == "table":
        name = tables.get((thing.schema, name), name)
    elif thing.kind == "column":
        name = columns.get((thing.schema, thing.parent, name), name)
    return replace(thing, name=name, parent=tables.get((thing.schema, thing.parent), thing.parent))


def redo_changes(renames: Sequence[Rename], *, real: Sequence[SchemaObject], declared: Sequence[SchemaObject]) -> tuple[SchemaChange, ...]:
    """Return what gives the tables and columns in the database their new names, as the last of a plugin's changes.

    Args:
        renames: The effective ones of a plugin.
        real: The objects of the database.
        declared: What the plugin's declaration makes, under the names of the declaration.
    """
    changes: list[SchemaChange] = []
    for one in renames:
        if one.column:
            sql = _renaming(one.schema, one.new_table, f"COLUMN {quote_identifier(one.column)}", one.new_column)
            changes.append(
                _change(sql, ("column", one.schema, one.new_table, one.new_column), f"{one.table}.{one.column} has another name now")
            )
        else:
            sql = _renaming(one.schema, one.table, "", one.new_table)
            changes.append(_change(sql, ("table", one.schema, "", one.new_table), f"{one.table} has another name now"))
    return (*changes, *_followers(renames, real=real, declared=declared))


def _renaming(schema: str, table: str, what: str, new: str) -> str:
    relation = f"{quote_identifier(schema)}.{quote_identifier(table)}"
    return f"ALTER TABLE {relation} RENAME {f'{what} ' if what else ''}TO {quote_identifier(new)};"


def _change(sql: str, of: Identity, why: str, *, lock: str = EXCLUSIVE) -> SchemaChange:
    return SchemaChange(sql=sql, object=of, verb="rename", lock=lock, risk="safe", is_reversible=True, why=why)


def _followers(renames: Sequence[Rename], *, real: Sequence[SchemaObject], declared: Sequence[SchemaObject]) -> Iterator[SchemaChange]:
    affected = {(one.schema, one.new_table) for one in renames}
    columns = [thing for thing in declared if thing.kind == "column" and (thing.schema, thing.parent) in affected]
    constraints: dict[tuple[str, str], list[str]] = {}
    for thing, was in zip(columns, under_old_names(columns, renames), strict=True):
        if (thing.parent, thing.name) == (was.parent, was.name):
            continue
        yield from _sequence(thing, was, real=real, declared=declared)
        if is_not_null(thing.definition):
            old, new = chosen_name(was.parent, was.name, "not_null"), chosen_name(thing.parent, thing.name, "not_null")
            constraints.setdefault((thing.schema, thing.parent), []).append(_renamed_constraint(thing, old, new))
    for (schema, table), statements in constraints.items():
        sql = f"DO {dollar_quote(' '.join(['BEGIN', *statements, 'END']))};"
        yield _change(sql, ("table", schema, "", table), "NOT NULL constraints, which have names from PostgreSQL 18 on, follow it")


def _renamed_constraint(column: SchemaObject, old: str, new: str) -> str:
    relation = f"{quote_identifier(column.schema)}.{quote_identifier(column.parent)}"
    return (
        f"IF EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE conrelid = {quote_literal(relation)}::pg_catalog.regclass "
        f"AND contype = 'n' AND conname = {quote_literal(old)}) "
        f"THEN ALTER TABLE {relation} RENAME CONSTRAINT {quote_identifier(old)} TO {quote_identifier(new)}; END IF;"
    )


def _sequence(
    column: SchemaObject, was: SchemaObject, *, real: Sequence[SchemaObject], declared: Sequence[SchemaObject]
) -> Iterator[SchemaChange]:
    chosen = chosen_name(was.parent, was.name, "seq")
    if is_identity(column.definition):
        old, new = chosen, chosen_name(column.parent, column.name, "seq")
    else:
        of_declared, of_real = _sequences_of(column, declared), _sequences_of(was, real)
        if not of_declared:
            return
        old, new = of_real[0] if of_real else chosen, of_declared[0]
    if old != new:
        sql = f"ALTER SEQUENCE IF EXISTS {quote_identifier(column.schema)}.{quote_identifier(old)} RENAME TO {quote_identifier(new)};"
        yield _change(sql, ("sequence", column.schema, "", new), "the sequence of the column follows it", lock=SHARE_ROW)


def _sequences_of(column: SchemaObject, objects: Sequence[SchemaObject]) -> list[str]:
    owner = (column.schema, column.parent, column.name)
    sequences = [thing for thing in objects if thing.kind == "sequence" and thing.schema == column.schema]
    return [thing.name for thing in sequences if owner_of_sequence(thing.definition) == owner]


def chosen_name(table: str, column: str, label: str) -> str:
    """Return the name that the server chooses for what goes with a column, as ``makeObjectName`` does.

    Args:
        table: The table.
        column: The column.
        label: What stands behind both, such as ``"seq"``.
    """
    first, second = table.encode(), column.encode()
    room = _LONGEST - len(label) - 2
    while len(first) + len(second) > room:
        if len(first) > len(second):
            first = first[:-1]
        else:
            second = second[:-1]
    return f"{first.decode(errors='ignore')}_{second.decode(errors='ignore')}_{label}"
