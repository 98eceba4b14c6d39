from __future__ import annotations

import pytest

from roost.migrations._claim_lookup import Found, differences
from roost.migrations._claimed_objects import ClaimedObject, ColumnType


def column(*name: str, modifiers: tuple[str, ...] | None = (), is_array: bool = False) -> ClaimedObject:
    """Return a claimed column of a type."""
    column_type = ColumnType(name=name, modifiers=modifiers, is_array=is_array)
    return ClaimedObject(step="make", kind="column", schema="app", parent="t", name="c", type=column_type)


@pytest.mark.parametrize(
    ("claimed", "actual"),
    [
        (column("pg_catalog", "int4"), "integer"),
        (column("pg_catalog", "varchar", modifiers=("20",)), "character varying(20)"),
        (column("pg_catalog", "numeric", modifiers=("10",)), "numeric(10,0)"),
        (column("pg_catalog", "numeric", modifiers=("10", "2"), is_array=True), "numeric(10,2)[]"),
        (column("timestamptz", modifiers=("3",)), "timestamp(3) with time zone"),
        (column("pg_catalog", "interval", modifiers=None), "interval day to second(3)"),
        (column("geometry", modifiers=None), "geometry(Point,4326)"),
    ],
)
def test_a_type_is_the_same_however_the_server_words_it(claimed: ClaimedObject, actual: str) -> None:
    """Where the names mean one type, only what stands in the parentheses counts, as far as it can be compared."""
    assert differences([claimed], [Found(is_there=True, type=actual)]) == ()


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (Found(is_there=False), "make: column app.t.c is not there"),
        (Found(is_there=True, type="text", is_same_type=False), "make: column app.t.c is of type text, not varchar(20)"),
        (Found(is_there=True, type="character varying(21)"), "make: column app.t.c is of type character varying(21), not varchar(20)"),
        (Found(is_there=True, type="character varying"), "make: column app.t.c is of type character varying, not varchar(20)"),
    ],
)
def test_what_is_missing_or_different(found: Found, told: str) -> None:
    """It is told with its step, and a type by what it is and what it should be."""
    assert differences([column("pg_catalog", "varchar", modifiers=("20",))], [found]) == (told,)


def test_an_index_that_can_not_be_used() -> None:
    """An index that was not built to its end is no index."""
    index = ClaimedObject(step="make", kind="index", schema="app", parent="t", name="i")
    assert differences([index], [Found(is_there=True, is_valid=False)]) == ("make: index app.i is not valid",)


def test_a_column_without_a_written_type() -> None:
    """Of a column that was only renamed nothing but its name counts."""
    renamed = ClaimedObject(step="make", kind="column", schema="app", parent="t", name="c")
    assert differences([renamed], [Found(is_there=True, type="text")]) == ()


def test_nobody_misses_the_columns_of_a_missing_table() -> None:
    """A table that is not there is told once, and what belongs to another is told all the same."""
    table = ClaimedObject(step="make", kind="table", schema="app", name="t")
    other = ClaimedObject(step="make", kind="column", schema="app", parent="u", name="c")
    missing = Found(is_there=False)
    assert differences([table, column("pg_catalog", "int4"), other], [missing] * 3) == (
        "make: table app.t is not there",
        "make: column app.u.c is not there",
    )
