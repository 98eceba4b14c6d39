"""What the comparison passes over: details of tables and of others."""

from __future__ import annotations

import pytest

from roost.postgres import parse_sql
from roost.schema._details import Detail, Place, detail_statements

T = ("s", "t", "")
COLUMN = ("s", "t", "c")


def there(place: Place) -> Detail:
    """Return what says that a place is there."""
    return Detail(place=place, name="", brought_about="", taken_back="")


def detail(value: str, place: Place = T) -> Detail:
    """Return a detail with a value."""
    return Detail(place=place, name="fill", brought_about=f"SET {value}", taken_back="RESET")


def statements(source: list[Detail], target: list[Detail], *before: str) -> list[str]:
    """Return the statements between two databases."""
    return detail_statements(source, target, parse_sql(";".join(before)) or ())


def test_details_are_brought_about_changed_and_taken_back() -> None:
    """Those that are equal have no statement."""
    assert statements([there(T)], [there(T), detail("7")]) == ["SET 7"]
    assert statements([there(T), detail("6")], [there(T), detail("7")]) == ["SET 7"]
    assert statements([there(T), detail("7")], [there(T), detail("7")]) == []
    assert statements([there(T), detail("7")], [there(T)]) == ["RESET"]


def test_what_goes_takes_its_details_along() -> None:
    """A table that is not there any more needs no statement."""
    assert statements([there(T), detail("7")], []) == []


@pytest.mark.parametrize(
    ("before", "place"),
    [
        ("CREATE TABLE s.t (c int)", T),
        ("CREATE TABLE s.t (c int)", COLUMN),
        ("CREATE VIEW s.t AS SELECT 1 AS c", COLUMN),
        ("CREATE MATERIALIZED VIEW s.t AS SELECT 1 AS c", COLUMN),
        ("CREATE TYPE s.t AS (c int)", COLUMN),
        ("CREATE INDEX t ON s.other (a)", T),
        ("ALTER TABLE s.other ADD CONSTRAINT t PRIMARY KEY (a)", T),
        ("ALTER TABLE s.t ADD COLUMN c int", COLUMN),
        ("ALTER TABLE s.t ALTER COLUMN c TYPE text", COLUMN),
    ],
)
def test_what_is_made_anew_gets_its_details_again(before: str, place: Place) -> None:
    """It was as declared, and is so no more when the statements before have made it anew."""
    same = [there(place), detail("7", place)]
    assert statements(same, same, before) == ["SET 7"]
    assert statements(same, same, before.replace("s.", "x.")) == []
