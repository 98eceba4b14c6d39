"""What gives tables and columns their new names, as the last of a plugin's changes. Pure.

The server keeps the names of sequences, and from PostgreSQL 18 on of NOT NULL constraints, when a table or a column gets another name;
those that it chose itself are renamed too, so that a renamed table is as one that was declared under its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from roost.postgres import dollar_quote, quote_identifier, quote_literal
from roost.schema._changes import SchemaChange
from roost.schema._chosen_names import chosen_name
from roost.schema._definitions import is_identity, is_not_null
from roost.schema._reading import EXCLUSIVE, SHARE_ROW
from roost.schema._renames import renamed_columns, renaming

if TYPE_CHECKING:
    from roost.schema._catalogue import SchemaObject
    from roost.schema._changes import Identity, Verb
    from roost.schema._renames import Rename


def redo_changes(renames: Sequence[Rename], *, declared: Sequence[SchemaObject]) -> tuple[SchemaChange, ...]:
    """Return what gives all in the database its new name.

    Args:
        renames: The effective ones of a plugin.
        declared: What the plugin's declaration makes, under the names of the declaration.
    """
    return (*(_redoing(one) for one in renames), *_followers(renames, declared))


def trusting_bodies(schema: str) -> SchemaChange:
    """Return what lets functions be made whose bodies name what only later changes make, or give this name.

    Args:
        schema: The plugin's schema.
    """
    sql = "SELECT pg_catalog.set_config('check_function_bodies', 'off', true);"
    why = "functions may have names in them that only later changes give"
    return _change(sql, ("schema", schema, "", schema), why, lock="", verb="alter")


def _redoing(one: Rename) -> SchemaChange:
    if one.kind == "sequence":
        of: Identity = ("sequence", one.schema, "", one.new)
        return _change(renaming("SEQUENCE", one.schema, one.old, to=one.new), of, "the sequence follows its column", lock=SHARE_ROW)
    if one.kind == "column":
        sql = renaming("TABLE", one.schema, one.new_table, column=one.old, to=one.new)
        return _change(sql, ("column", one.schema, one.new_table, one.new), f"{one.table}.{one.old} has another name now")
    sql = renaming("TABLE", one.schema, one.table, to=one.new_table)
    return _change(sql, ("table", one.schema, "", one.new_table), f"{one.table} has another name now")


def _change(sql: str, of: Identity, why: str, *, lock: str = EXCLUSIVE, verb: Verb = "rename") -> SchemaChange:
    return SchemaChange(sql=sql, object=of, verb=verb, lock=lock, risk="safe", is_reversible=True, why=why)


def _followers(renames: Sequence[Rename], declared: Sequence[SchemaObject]) -> Iterator[SchemaChange]:
    constraints: dict[tuple[str, str], list[str]] = {}
    for column, was in renamed_columns(renames, declared):
        if is_identity(column.definition):
            yield _identity(column, was)
        if is_not_null(column.definition):
            old, new = chosen_name(was.parent, was.name, "not_null"), chosen_name(column.parent, column.name, "not_null")
            constraints.setdefault((column.schema, column.parent), []).append(_renamed_constraint(column, old, new))
    for (schema, table), statements in constraints.items():
        sql = f"DO {dollar_quote(' '.join(['BEGIN', *statements, 'END']))};"
        yield _change(sql, ("table", schema, "", table), "NOT NULL constraints, which have names from PostgreSQL 18 on, follow it")


def _identity(column: SchemaObject, was: SchemaObject) -> SchemaChange:
    old, new = chosen_name(was.parent, was.name, "seq"), chosen_name(column.parent, column.name, "seq")
    # Nobody tells the name of an identity's sequence, and it may have been given another one.
    sql = f"ALTER SEQUENCE IF EXISTS {quote_identifier(column.schema)}.{quote_identifier(old)} RENAME TO {quote_identifier(new)};"
    return _change(sql, ("sequence", column.schema, "", new), "the sequence follows its column", lock=SHARE_ROW)


def _renamed_constraint(column: SchemaObject, old: str, new: str) -> str:
    relation = f"{quote_identifier(column.schema)}.{quote_identifier(column.parent)}"
    return (
        f"IF EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE conrelid = {quote_literal(relation)}::pg_catalog.regclass "
        f"AND contype = 'n' AND conname = {quote_literal(old)}) "
        f"THEN ALTER TABLE {relation} RENAME CONSTRAINT {quote_identifier(old)} TO {quote_identifier(new)}; END IF;"
    )
