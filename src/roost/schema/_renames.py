"""Renames of tables and columns by hint: undone before a comparison, so that it keeps the data, and done after it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from roost.postgres import quote_identifier
from roost.schema._chosen_names import chosen_name
from roost.schema._definitions import owner_of_sequence

if TYPE_CHECKING:
    from roost.schema._catalogue import SchemaObject
    from roost.schema._declaration import DeclaredPlugin

_RELATIONS = frozenset({"table", "foreign table", "view", "materialized view", "sequence", "index", "type"})
"""What a table shares its names with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rename:
    """A table, a column or the sequence of a column that gets another name.

    Attributes:
        kind: Which of them.
        schema: The PostgreSQL schema.
        table: The table's old name.
        new_table: Its new name; for a column or a sequence it may be the old one.
        old: The old name of a column or a sequence; empty where the table itself is renamed.
        new: Its new name.
    """

    kind: Literal["table", "column", "sequence"]
    schema: str
    table: str
    new_table: str
    old: str = ""
    new: str = ""


def effective_renames(plugin: DeclaredPlugin, *, real: Sequence[SchemaObject], declared: Sequence[SchemaObject]) -> tuple[Rename, ...]:
    """Return the hints that have something to do: the old name is in the database and not declared, the new one the other way round.

    Args:
        plugin: The plugin, with its hints.
        real: The objects of the database.
        declared: What the plugin's declaration makes, under the names of the declaration.

    Returns:
        The renames: those of tables, those of columns, and those of sequences that go with them.
    """
    schema = plugin.schema
    before, after = _Names(schema, real), _Names(schema, declared)
    tables: dict[str, str] = {}
    for old, new in plugin.renames:
        table, new_table = before.table(old), after.table(new)
        if table and new_table and not before.has(new_table) and not after.has(table) and new_table not in tables.values():
            tables[table] = new_table
    columns: dict[tuple[str, str], Rename] = {}
    for old, new in plugin.renames:
        for table in sorted(before.tables & {*tables, *after.tables}):
            new_table = tables.get(table, table)
            column = before.column(old, table) or before.column(old, table, called=new_table)
            new_column = after.column(new, new_table)
            if column and new_column and (table, new_column) not in before.columns and (new_table, column) not in after.columns:
                one = Rename(kind="column", schema=schema, table=table, new_table=new_table, old=column, new=new_column)
                columns.setdefault((new_table, new_column), one)
    renames = [Rename(kind="table", schema=schema, table=table, new_table=new) for table, new in tables.items()]
    renames += columns.values()
    return (*renames, *_sequences(renames, real=real, declared=declared))


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


def _sequences(renames: Sequence[Rename], *, real: Sequence[SchemaObject], declared: Sequence[SchemaObject]) -> Iterator[Rename]:
    """Find the sequences of ``serial`` columns that are called otherwise: a comparison knows them by names that fit their columns."""
    for column, was in renamed_columns(renames, declared):
        of_declared, of_real = _sequences_of(column, declared), _sequences_of(was, real)
        old = of_real[0] if of_real else chosen_name(was.parent, was.name, "seq")
        if of_declared and of_declared[0] != old:
            new = of_declared[0]
            yield Rename(kind="sequence", schema=column.schema, table=was.parent, new_table=column.parent, old=old, new=new)


def _sequences_of(column: SchemaObject, objects: Sequence[SchemaObject]) -> list[str]:
    owner = (column.schema, column.parent, column.name)
    sequences = [thing for thing in objects if thing.kind == "sequence" and thing.schema == column.schema]
    return [thing.name for thing in sequences if owner_of_sequence(thing.definition) == owner]


def renamed_columns(renames: Sequence[Rename], declared: Sequence[SchemaObject]) -> Iterator[tuple[SchemaObject, SchemaObject]]:
    """Pair the columns that are called otherwise, be it for their table, with themselves under their old names.

    Args:
        renames: The effective ones of a plugin.
        declared: What its declaration makes, under the names of the declaration.
    """
    columns = [thing for thing in declared if thing.kind == "column"]
    for thing, was in zip(columns, under_old_names(columns, renames), strict=True):
        if thing != was:
            yield thing, was


def undo_statements(renames: Sequence[Rename]) -> tuple[str, ...]:
    """Write what gives all in a scratch database its old name, so that a comparison finds it under one name.

    Args:
        renames: The effective ones of a plugin.
    """
    return tuple(_undoing(one) for one in reversed(renames))


def _undoing(one: Rename) -> str:
    if one.kind == "sequence":
        return renaming("SEQUENCE", one.schema, one.new, to=one.old)
    if one.kind == "column":
        return renaming("TABLE", one.schema, one.new_table, column=one.new, to=one.old)
    return renaming("TABLE", one.schema, one.new_table, to=one.table)


def renaming(kind: str, schema: str, name: str, *, to: str, column: str = "") -> str:
    """Write a statement that renames a table, a sequence or a column.

    Args:
        kind: The word for what is altered.
        schema: Its schema.
        name: What it is called.
        to: The new name.
        column: The column of the table that is meant, if one is.
    """
    what = f"COLUMN {quote_identifier(column)} " if column else ""
    return f"ALTER {kind} {quote_identifier(schema)}.{quote_identifier(name)} RENAME {what}TO {quote_identifier(to)};"


def under_old_names(declared: Sequence[SchemaObject], renames: Sequence[Rename]) -> tuple[SchemaObject, ...]:
    """Return declared objects as they are called after `undo_statements`; definitions are as they were.

    Args:
        declared: The objects under the names of the declaration.
        renames: The effective ones of a plugin.
    """
    tables = {(one.schema, one.new_table): one.table for one in renames if one.kind == "table"}
    others: dict[tuple[str, str, str, str], str] = {
        (one.kind, one.schema, one.new_table if one.kind == "column" else "", one.new): one.old for one in renames
    }
    return tuple(
        replace(
            thing,
            name=tables.get((thing.schema, thing.name), thing.name) if thing.kind == "table" else others.get(thing.identity, thing.name),
            parent=tables.get((thing.schema, thing.parent), thing.parent),
        )
        for thing in declared
    )
