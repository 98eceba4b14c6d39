"""Writes the difference between a database and a declared schema as steps. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from roost.postgres import quote_identifier, statements_of
from roost.scaffold._drafts import Draft
from roost.scaffold._names import step_name
from roost.scaffold._rendering import render
from roost.schema import Identity, SchemaChange

_ALONE = frozenset({"table", "view", "materialized view", "sequence", "type", "index"})
"""Kinds that go by DROP and their own name."""
_OF_TABLE = frozenset({"column", "constraint"})
"""Kinds that go by ALTER TABLE … DROP."""
_ON_TABLE = frozenset({"trigger", "policy"})
"""Kinds that go by DROP … ON their table."""


def from_changes(name: str, changes: Sequence[SchemaChange]) -> tuple[Draft, ...]:
    """Return steps that make the changes: what stands inside one transaction together, and what PostgreSQL refuses there by itself.

    A step whose changes all make something has a way back; another says that nobody has written it.

    Args:
        name: The step's name.
        changes: The changes, in order.

    Raises:
        UnfitName: The name can't be used.
    """
    groups = [(is_outside, list(group)) for is_outside, group in groupby(changes, key=_is_outside)]
    parts = [part for is_outside, group in groups for part in ([[one] for one in group] if is_outside else [group])]
    return tuple(
        Draft(
            name=step_name(name if len(parts) == 1 else f"{name} {number}"),
            sql=render(
                "from_changes.sql",
                is_outside=_is_outside(part[0]),
                changes=[(_remark(change), _statement(change)) for change in part],
                back=ways_back(part),
                lost=_without_way_back(part),
            ),
        )
        for number, part in enumerate(parts, start=1)
    )


def ways_back(changes: Sequence[SchemaChange]) -> list[str]:
    """Return the statements that undo changes, the last one first; none for what goes with the table that it is a part of."""
    made = _made(changes)
    back = [_way_back(change) for change in changes if not _goes_with(change, made)]
    return [statement for statement in reversed(back) if statement]


def _without_way_back(changes: Sequence[SchemaChange]) -> str | None:
    made = _made(changes)
    lost = next((change for change in changes if not _goes_with(change, made) and _way_back(change) is None), None)
    return None if lost is None else " ".join(lost.sql.rstrip(";").split())


def _made(changes: Sequence[SchemaChange]) -> frozenset[tuple[str, str]]:
    """Return the objects that the changes make, but for parts of others, by schema and name."""
    return frozenset((one.object[1], one.object[3]) for one in changes if one.verb == "create" and not one.object[2])


def _goes_with(change: SchemaChange, made: frozenset[tuple[str, str]]) -> bool:
    kind, schema, parent, name = change.object
    if parent:
        return (schema, parent) in made
    return change.verb in ("alter", "comment") and kind != "schema" and (schema, name) in made


def _way_back(change: SchemaChange) -> str | None:
    """Return the statement that undoes a change; empty where there is nothing to undo, None where nobody knows it."""
    kind = change.object[0]
    if kind == "schema" and change.verb == "create":
        return ""  # others may have come into it
    if change.verb != "create" or change.sql.startswith(("ALTER DOMAIN", "CREATE DOMAIN")):
        return None
    return _drop(kind, change.object, concurrently=_is_outside(change)) if kind in _ALONE | _OF_TABLE | _ON_TABLE else None


def _drop(kind: str, of: Identity, *, concurrently: bool) -> str:
    _, schema, parent, name = of
    whole = f"{quote_identifier(schema)}.{quote_identifier(parent or name)}"
    if kind in _OF_TABLE:
        return f"ALTER TABLE {whole} DROP {kind.upper()} {quote_identifier(name)};"
    if kind in _ON_TABLE:
        return f"DROP {kind.upper()} {quote_identifier(name)} ON {whole};"
    return f"DROP {kind.upper()} {'CONCURRENTLY ' if concurrently else ''}{quote_identifier(schema)}.{quote_identifier(name)};"


def _is_outside(change: SchemaChange) -> bool:
    return any(statement.refuses_transaction for statement in statements_of(change.sql) or ())


def _statement(change: SchemaChange) -> str:
    # roost makes the schema of a plugin's steps itself, where the plugin names one.
    return change.sql.replace("CREATE SCHEMA ", "CREATE SCHEMA IF NOT EXISTS ", 1) if change.object[0] == "schema" else change.sql


def _remark(change: SchemaChange) -> str:
    return "" if change.risk == "safe" else f"{change.risk}: {change.why}"
