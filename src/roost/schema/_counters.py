"""Keeps how far a column has counted when the server takes its numbering over from a sequence. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from roost.postgres import quote_identifier, quote_literal
from roost.schema._chosen_names import chosen_name
from roost.schema._definitions import owner_of_sequence

if TYPE_CHECKING:
    from roost.schema._catalogue import SchemaObject
    from roost.schema._changes import Identity, SchemaChange
    from roost.schema._reading import Reading


def with_counter_kept(
    change: SchemaChange, reading: Reading, real: Mapping[Identity, SchemaObject], declared: Mapping[Identity, SchemaObject]
) -> tuple[SchemaChange, ...]:
    """Return a change with those that it needs around it.

    A column that becomes an identity gets a new sequence, which begins at 1, while that of its ``serial`` stays behind under the name
    that the new one should have. So the old one steps aside, hands its count over, and goes. A column that nobody counted so far, and
    whose numbers the server is to give now, goes on behind the highest of them.

    Args:
        change: The change.
        reading: What it was made of.
        real: The objects of the database.
        declared: The declared ones, under the names that the database has now.
    """
    if reading.form != "AT_AddIdentity":
        owner = _owner_from_now_on(change, real, declared) if reading.form == "alter_seq_stmt" else ()
        return (change, _counting_on(change, *owner)) if owner else (change,)
    _, schema, table, column = change.object
    olds = [
        thing
        for thing in real.values()
        if thing.kind == "sequence" and thing.identity not in declared and owner_of_sequence(thing.definition) == (schema, table, column)
    ]
    if len(olds) != 1:
        return change, _counting_on(change, schema, table, column)
    aside = chosen_name(olds[0].name, "roost", "counter")
    place, home = f"{quote_identifier(schema)}.{quote_identifier(aside)}", f"{quote_identifier(schema)}.{quote_identifier(table)}"
    step = replace(change, object=olds[0].identity, lock="", risk="safe")
    return (
        replace(
            step,
            sql=f"ALTER SEQUENCE {quote_identifier(schema)}.{quote_identifier(olds[0].name)} RENAME TO {quote_identifier(aside)};",
            verb="rename",
            why="the sequence of the column steps aside for that of its identity",
        ),
        # Or the server could take it for the column's sequence still.
        replace(step, sql=f"ALTER SEQUENCE {place} OWNED BY NONE;", verb="alter", why="the sequence goes with the column no more"),
        change,
        replace(
            step,
            sql=(
                f"SELECT pg_catalog.setval(pg_catalog.pg_get_serial_sequence({quote_literal(home)}, {quote_literal(column)}), "
                f"last_value, is_called) FROM {place};"
            ),
            verb="alter",
            why="the column goes on counting where it was",
        ),
        replace(step, sql=f"DROP SEQUENCE {place};", verb="drop", why="the sequence has handed its count over"),
    )


def _owner_from_now_on(
    change: SchemaChange, real: Mapping[Identity, SchemaObject], declared: Mapping[Identity, SchemaObject]
) -> tuple[str, ...]:
    """Return schema, table and name of a column that is there already, and that a new sequence comes to belong to."""
    sequence = declared.get(change.object)
    owner = () if sequence is None or change.object in real else owner_of_sequence(sequence.definition)
    return owner if owner and ("column", *owner) in real else ()


def _counting_on(change: SchemaChange, schema: str, table: str, column: str) -> SchemaChange:
    home, name = f"{quote_identifier(schema)}.{quote_identifier(table)}", quote_identifier(column)
    sequence = f"pg_catalog.pg_get_serial_sequence({quote_literal(home)}, {quote_literal(column)})"
    sql = (
        f"SELECT pg_catalog.setval({sequence}, highest) FROM (SELECT pg_catalog.max({name}) AS highest FROM {home}) AS numbers, "
        f"pg_catalog.pg_sequence WHERE seqrelid = {sequence}::pg_catalog.regclass AND seqincrement > 0 "
        "AND highest BETWEEN seqstart AND seqmax;"
    )
    return replace(change, sql=sql, verb="alter", lock="", risk="safe", why="the column goes on counting behind the numbers that it holds")
