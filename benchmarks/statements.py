"""The steps that everybody has to take."""

from __future__ import annotations

EFFECTS = "effects"


def small_tables(count: int) -> list[str]:
    """Return statements that make one small table each."""
    return [f"CREATE TABLE t{number} (id int PRIMARY KEY, name text NOT NULL)" for number in range(count)]


def next_to_nothing(count: int) -> list[str]:
    """Return statements that leave nothing behind, where only the number of steps matters."""
    return [f"SELECT {number}" for number in range(count)]


def counted_tables(count: int) -> list[str]:
    """Return statements that make a small table each, and leave a row in `EFFECTS` that finds out who does one twice."""
    counted = [f"{table}; INSERT INTO {EFFECTS} VALUES ({number})" for number, table in enumerate(small_tables(count))]
    return [f"CREATE TABLE {EFFECTS} (step int); {counted[0]}", *counted[1:]]
