"""The order in which the statements of a comparison are run."""

from __future__ import annotations

import pytest

from roost.postgres import ParsedStatement, parse_sql
from roost.schema._statement_order import with_columns_in_order, with_defaults_aside, with_early_functions, with_names_free

TABLE = "CREATE TABLE s.t (a int DEFAULT s.f())"
TYPE = "CREATE TYPE s.kind AS ENUM ('a')"
FUNCTION = "CREATE OR REPLACE FUNCTION s.f() RETURNS int LANGUAGE sql AS 'SELECT 1'"
OTHER = "CREATE OR REPLACE FUNCTION s.g() RETURNS int LANGUAGE sql AS 'SELECT 1'"
RETYPED = "ALTER TABLE s.t ALTER COLUMN a TYPE s.kind USING a::s.kind"
DEFAULT = "ALTER TABLE s.t ALTER COLUMN a SET DEFAULT 'a'::s.kind"
DROPPED = 'ALTER TABLE "s"."t" ALTER COLUMN "a" DROP DEFAULT'


def parsed(*statements: str) -> tuple[ParsedStatement, ...]:
    """Return statements as they are parsed."""
    found = parse_sql(";\n".join(statements))
    assert found is not None
    return found


def texts(statements: list[ParsedStatement]) -> list[str]:
    """Return what they say."""
    return [statement.text for statement in statements]


def test_a_function_that_a_table_needs_stands_before_the_table_and_behind_the_types() -> None:
    """Others stay behind the tables, which their bodies may name."""
    assert texts(with_early_functions(parsed(TYPE, TABLE, OTHER, FUNCTION), {("s", "f")})) == [TYPE, FUNCTION, TABLE, OTHER]


def test_what_a_function_that_a_table_needs_names_comes_with_it() -> None:
    """A check calls it as soon as it is there, and a body in a text says nothing of that to the server."""
    calling, called = FUNCTION.replace("SELECT 1", "SELECT h()"), OTHER.replace("s.g", "s.h").replace("SELECT 1", "SELECT i()")
    third = OTHER.replace("s.g", "s.i")
    assert texts(with_early_functions(parsed(TABLE, calling, OTHER, called, third), {("s", "f")})) == [calling, called, third, TABLE, OTHER]


def test_a_function_that_is_made_anew_stays_where_it_is() -> None:
    """It is dropped before, and whatever needs it is made again behind it."""
    statements = ("DROP FUNCTION s.f()", TABLE, FUNCTION)
    assert texts(with_early_functions(parsed(*statements), {("s", "f")})) == list(statements)


def test_where_no_table_needs_a_function_nothing_moves() -> None:
    """The order is the comparison's."""
    assert texts(with_early_functions(parsed(TABLE, FUNCTION), {("s", "other"), ("t", "f")})) == [TABLE, FUNCTION]


def test_a_default_steps_aside_while_the_type_changes() -> None:
    """It is set again behind that."""
    assert texts(with_defaults_aside(parsed(RETYPED, DEFAULT))) == [DROPPED, RETYPED, DEFAULT]


@pytest.mark.parametrize(
    "statements",
    [(RETYPED,), (DEFAULT, RETYPED), (RETYPED, DEFAULT.replace("COLUMN a", "COLUMN b")), (RETYPED, DEFAULT.replace("s.t", "s.u"))],
    ids=["none", "before", "other column", "other table"],
)
def test_a_default_that_is_not_set_again_stays(statements: tuple[str, ...]) -> None:
    """Nobody would bring it back."""
    assert texts(with_defaults_aside(parsed(*statements))) == list(statements)


def test_new_columns_come_in_the_order_in_which_they_are_declared() -> None:
    """Those of each table by themselves, in the places where the comparison adds any; computed ones behind what they may need."""
    ten, two, sum_, other = (
        f"ALTER TABLE s.{table} ADD COLUMN {name} int" for table, name in (("t", "c10"), ("t", "c2"), ("t", "a"), ("u", "c"))
    )
    places = {("s", "t", "c10"): (False, 10), ("s", "t", "c2"): (False, 2), ("s", "t", "a"): (True, 1), ("s", "u", "c"): (False, 1)}
    assert texts(with_columns_in_order(parsed(sum_, ten, other, TYPE, two), places)) == [two, ten, other, TYPE, sum_]


INDEX = "CREATE UNIQUE INDEX t_a_key ON s.t USING btree (a)"
FREED = "ALTER TABLE s.t DROP CONSTRAINT t_a_key"


def test_a_constraint_goes_before_an_index_gets_its_name() -> None:
    """The index behind the constraint has the name until then."""
    assert texts(with_names_free(parsed(RETYPED, INDEX, DEFAULT, FREED))) == [RETYPED, FREED, INDEX, DEFAULT]


@pytest.mark.parametrize(
    "statements",
    [(FREED, INDEX), (INDEX, FREED.replace("t_a_key", "other")), (INDEX, FREED.replace("s.t", "s.u"))],
    ids=["before", "other name", "other table"],
)
def test_a_constraint_of_another_name_stays(statements: tuple[str, ...]) -> None:
    """It is in nobody's way."""
    assert texts(with_names_free(parsed(*statements))) == list(statements)
