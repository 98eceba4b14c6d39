"""Writes statements that count the rows which a new rule would refuse, and fail as the server would where there are any. Pure text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from roost.postgres import dollar_quote, quote_identifier, quote_literal

NOT_NULL_VIOLATION = "23502"
FOREIGN_KEY_VIOLATION = "23503"
UNIQUE_VIOLATION = "23505"
CHECK_VIOLATION = "23514"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a rule is to hold.

    Attributes:
        schema: The schema of the table.
        table: The table.
        name: What the rule is called; the column of a NOT NULL.
    """

    schema: str
    table: str
    name: str

    @property
    def sql(self) -> str:
        """The table's quoted name."""
        return f"{quote_identifier(self.schema)}.{quote_identifier(self.table)}"


def refuse_nulls(place: Place) -> str:
    """Write the statement that fails where a column is empty; `place` names the column."""
    query = f"SELECT pg_catalog.count(*) FROM {place.sql} WHERE {quote_identifier(place.name)} IS NULL"
    told = (f'column "{place.name}" of relation "{place.table}" contains null values in ', "")
    return _refuse(query, place, state=NOT_NULL_VIOLATION, told=told, named="COLUMN")


def refuse_by_check(place: Place, condition: str) -> str:
    """Write the statement that fails where rows don't meet a condition."""
    query = f"SELECT pg_catalog.count(*) FROM {place.sql} WHERE NOT ({condition})"
    told = (f'check constraint "{place.name}" of relation "{place.table}" is violated by ', "")
    return _refuse(query, place, state=CHECK_VIOLATION, told=told, named="CONSTRAINT")


def refuse_duplicates(place: Place, *, keys: Sequence[str], condition: str = "", nulls_are_equal: bool = False) -> str:
    """Write the statement that fails where several rows have one key.

    Args:
        place: Where.
        keys: The parts of the key, as SQL.
        condition: Which rows are meant, as SQL; empty for all.
        nulls_are_equal: Whether two keys with a NULL in the same place are one key.
    """
    names = [f"k{number}" for number in range(len(keys))]
    parts = ", ".join(f"{key} AS {name}" for key, name in zip(keys, names, strict=True))
    of_rows = f"SELECT {parts} FROM {place.sql}{f' WHERE {condition}' if condition else ''}"
    has_key = "" if nulls_are_equal else f" WHERE {' AND '.join(f'{name} IS NOT NULL' for name in names)}"
    groups = f"SELECT pg_catalog.count(*) AS n FROM ({of_rows}) AS r{has_key} GROUP BY {', '.join(names)} HAVING pg_catalog.count(*) > 1"
    told = (f'could not create unique index "{place.name}": ', " not unique")
    return _refuse(f"SELECT pg_catalog.sum(n) FROM ({groups}) AS g", place, state=UNIQUE_VIOLATION, told=told, named="CONSTRAINT")


def refuse_orphans(place: Place, *, columns: Sequence[str], referenced: str | None, keys: Sequence[str], is_full: bool = False) -> str:
    """Write the statement that fails where rows refer to none.

    Equality is that of the types, wherever their operators are, as it is for the foreign key itself.

    Args:
        place: Where.
        columns: The columns that refer.
        referenced: The quoted name of the table that they refer to; None for one that has no rows yet.
        keys: The columns there.
        is_full: Whether a key that is NULL in part is refused.
    """
    ours, theirs = [quote_identifier(name) for name in columns], [quote_identifier(name) for name in keys]
    has_key = " AND ".join(f"{name} IS NOT NULL" for name in ours)
    if referenced is None:
        query = f"SELECT pg_catalog.count(*) FROM {place.sql} WHERE {has_key}"
    else:
        names = [f"k{number}" for number in range(len(ours))]
        mine = ", ".join(f"{one} AS {name}" for one, name in zip(ours, names, strict=True))
        both = (
            f"SELECT {mine}, true AS refers FROM {place.sql} WHERE {has_key} UNION ALL SELECT {', '.join(theirs)}, false FROM {referenced}"
        )
        groups = f"SELECT pg_catalog.count(*) AS n FROM ({both}) AS r GROUP BY {', '.join(names)} HAVING pg_catalog.bool_and(refers)"
        query = f"SELECT pg_catalog.sum(n) FROM ({groups}) AS g"
    if is_full and len(ours) > 1:
        some = " OR ".join(f"{name} IS NOT NULL" for name in ours)
        in_part = f"SELECT pg_catalog.count(*) FROM {place.sql} WHERE ({some}) AND NOT ({has_key})"
        query = f"SELECT coalesce(({query}), 0) + ({in_part})"
    told = ("", f' of table "{place.table}" violate foreign key constraint "{place.name}"')
    return _refuse(query, place, state=FOREIGN_KEY_VIOLATION, told=told, named="CONSTRAINT")


def _refuse(query: str, place: Place, *, state: str, told: tuple[str, str], named: str) -> str:
    before, after = map(quote_literal, told)
    fields = f"SCHEMA = {quote_literal(place.schema)}, TABLE = {quote_literal(place.table)}, {named} = {quote_literal(place.name)}"
    message = f"{before} || found || CASE found WHEN 1 THEN ' row' ELSE ' rows' END || {after}"
    body = (
        f"DECLARE found bigint; BEGIN EXECUTE {dollar_quote(query)} INTO found; IF found > 0 THEN "
        f"RAISE EXCEPTION USING ERRCODE = '{state}', MESSAGE = {message}, {fields}; END IF; END"
    )
    return f"DO {dollar_quote(body)};"
