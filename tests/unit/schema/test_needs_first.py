"""What a function, a view or a table needs comes before it."""

from __future__ import annotations

from roost.postgres import parse_sql
from roost.schema._needs_first import Made, with_needs_first

T, V = "CREATE TABLE s.t (a int)", "CREATE VIEW s.v AS SELECT a FROM s.t"
F, G = "CREATE FUNCTION s.f() RETURNS int RETURN 1", "ALTER TABLE s.t ADD b int"
M = "CREATE MATERIALIZED VIEW s.m AS SELECT 1"
TABLE: Made = ("relation", "s", "t")
VIEW: Made = ("relation", "s", "v")
SEEN: Made = ("relation", "s", "m")
FUNCTION: Made = ("function", "s", "f")


def texts(statements: list[str], needs: dict[Made, set[Made]]) -> list[str]:
    """Return what statements say in the order that needs give them."""
    return [statement.text for statement in with_needs_first(parse_sql(";\n".join(statements)) or (), needs)]


def test_what_is_needed_comes_first_and_all_else_keeps_its_place() -> None:
    """Over any number of others, and each statement once."""
    assert texts([F, G, V, T, M], {FUNCTION: {VIEW}, VIEW: {TABLE}}) == [T, V, F, G, M]
    assert texts([F, V, M], {FUNCTION: {SEEN}}) == [M, F, V]
    assert texts([T, V, F], {VIEW: {TABLE}, FUNCTION: {("function", "s", "gone")}}) == [T, V, F]


def test_a_circle_stays_as_it_is() -> None:
    """Nobody can put it in order, and nothing is lost of it."""
    assert texts([F, V, T], {FUNCTION: {VIEW}, VIEW: {FUNCTION}}) == [V, F, T]


def test_a_long_chain() -> None:
    """It is as long as it likes."""
    count = 3000
    functions = [f"CREATE FUNCTION s.f{number}() RETURNS int RETURN 1" for number in range(count)]
    needs: dict[Made, set[Made]] = {("function", "s", f"f{number}"): {("function", "s", f"f{number + 1}")} for number in range(count)}
    assert texts(functions, needs) == functions[::-1]
