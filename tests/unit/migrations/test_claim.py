from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost import MigrationStep
from roost.migrations._claim import Claim, claim_of
from roost.postgres import parse_sql


def claim(*texts: str, of: Sequence[int] | None = None) -> Claim:
    """Return the claim of steps that are called 0, 1 and so on; of all of them unless some are chosen."""
    steps = [MigrationStep(str(number), "A step", up=text) for number, text in enumerate(texts)]
    chosen = range(len(texts)) if of is None else of
    return claim_of(steps, of=frozenset(map(str, chosen)), schema="app", parse=parse_sql)


def labels(*texts: str, of: Sequence[int] | None = None) -> list[str]:
    """Return what the steps claim, in words."""
    return [one.label for one in claim(*texts, of=of).objects]


@pytest.mark.parametrize(
    ("sql", "claimed"),
    [
        ("CREATE TABLE t (a int, b int)", ["table app.t", "column app.t.a", "column app.t.b"]),
        ('CREATE TABLE s."T x" (a int)', ["table s.T x", "column s.T x.a"]),
        ("CREATE UNLOGGED TABLE IF NOT EXISTS t (a int)", ["table app.t", "column app.t.a"]),
        ("CREATE FOREIGN TABLE f (a int) SERVER x", ["table app.f", "column app.f.a"]),
        ("CREATE TABLE t AS SELECT 1 AS a", ["table app.t"]),
        ("SELECT 1 AS a INTO t", ["table app.t"]),
        ("CREATE TABLE p PARTITION OF t FOR VALUES IN (1)", ["table app.p"]),
        ("CREATE VIEW v AS SELECT 1", ["view app.v"]),
        ("CREATE MATERIALIZED VIEW m AS SELECT 1", ["materialized view app.m"]),
        ("CREATE SEQUENCE s", ["sequence app.s"]),
        ("CREATE INDEX CONCURRENTLY i ON s.t (a)", ["index s.i"]),
        ("CREATE TYPE k AS ENUM ('a', 'b c')", ["type app.k", "value app.k.a", "value app.k.b c"]),
        ("CREATE TYPE c AS (a int)", ["type app.c"]),
        ("CREATE TYPE r AS RANGE (subtype = int)", ["type app.r"]),
        ("CREATE TYPE shell", ["type app.shell"]),
        ("CREATE DOMAIN d AS int CONSTRAINT small CHECK (value < 9)", ["type app.d", "constraint app.d.small"]),
        ("ALTER DOMAIN d ADD CONSTRAINT big CHECK (value > 0)", ["constraint app.d.big"]),
        ("ALTER TYPE k ADD VALUE 'c'", ["value app.k.c"]),
        ("CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT 1'", ["function app.f"]),
        ("CREATE OR REPLACE PROCEDURE s.p() LANGUAGE sql AS ''", ["function s.p"]),
        ("CREATE TRIGGER g BEFORE INSERT ON t EXECUTE FUNCTION f()", ["trigger app.t.g"]),
        ("CREATE EXTENSION IF NOT EXISTS citext", ["extension citext"]),
        ("CREATE SCHEMA s CREATE TABLE t (a int) CREATE VIEW v AS SELECT 1", ["schema s", "table s.t", "column s.t.a", "view s.v"]),
        ("ALTER TABLE t ADD a int, ADD CONSTRAINT u UNIQUE (a)", ["column app.t.a", "constraint app.t.u"]),
        ("ALTER TABLE t ADD a int CONSTRAINT k PRIMARY KEY", ["column app.t.a", "constraint app.t.k"]),
        ("ALTER TABLE t RENAME TO u", ["relation app.u"]),
        ("ALTER TABLE t RENAME a TO b", ["column app.t.b"]),
        ("ALTER TABLE t SET SCHEMA s", ["relation s.t"]),
        ("ALTER FUNCTION f(int) SET SCHEMA s", ["function s.f"]),
        ("CREATE TEMP TABLE t (a int); ALTER TABLE t ADD b int; CREATE INDEX i ON t (a); DROP TABLE t", []),
        ("CREATE TABLE pg_temp.t (a int)", []),
        ("CREATE TABLE t (a int CONSTRAINT n NOT NULL CONSTRAINT d DEFAULT 1)", ["table app.t", "column app.t.a"]),
    ],
)
def test_what_a_statement_makes(sql: str, claimed: list[str]) -> None:
    """Every object that the server keeps under a name of the step's own is claimed by kind, schema and name, and nothing is left out."""
    found = claim(sql)
    assert [one.label for one in found.objects] == claimed
    assert found.not_checked == ()


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO t VALUES (1)",
        "SELECT f()",
        "CREATE INDEX ON t (a)",
        "ALTER TABLE t ADD PRIMARY KEY (a)",
        "ALTER TABLE t ALTER a SET NOT NULL",
        "ALTER DOMAIN d SET NOT NULL",
        "CREATE AGGREGATE a (int) (sfunc = f, stype = int)",
        "CREATE SCHEMA AUTHORIZATION somebody",
        "DROP POLICY p ON t",
        "ALTER POLICY p ON t RENAME TO q",
        "ALTER EXTENSION e SET SCHEMA s",
        "ALTER TABLE t ATTACH PARTITION unknown DEFAULT",
        "DO $$ BEGIN END $$",
        "COMMENT ON TABLE t IS 'x'",
    ],
)
def test_what_can_not_be_looked_for(sql: str) -> None:
    """It is told with its step, and claims nothing."""
    assert claim(sql) == Claim(not_checked=(f"0: {sql}",))


MADE = (
    "CREATE TABLE t (a int, b text CONSTRAINT short CHECK (length(b) < 9), c kind, CONSTRAINT both_ UNIQUE (a, b)); "
    "CREATE INDEX i ON t (c); CREATE TYPE kind AS ENUM ('x'); CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS ''; "
    "CREATE FUNCTION f(text) RETURNS int LANGUAGE sql AS ''; CREATE TRIGGER g BEFORE INSERT ON t EXECUTE FUNCTION f()"
)
WHOLE = labels(MADE)


@pytest.mark.parametrize(
    ("change", "gone", "new"),
    [
        ("DROP TABLE t", ["table app.t", "column", "constraint", "index", "trigger"], []),
        ("DROP TABLE IF EXISTS other.t", [], []),
        ("ALTER TABLE t DROP a", ["column app.t.a", "constraint"], []),
        ("ALTER TABLE t DROP c", ["column app.t.c", "index", "constraint app.t.short"], []),
        ("ALTER TABLE t DROP CONSTRAINT short", ["constraint app.t.short"], []),
        ("ALTER TABLE t RENAME CONSTRAINT short TO s", ["constraint app.t.short"], ["constraint app.t.s"]),
        ("ALTER INDEX both_ RENAME TO two", ["constraint app.t.both_"], ["constraint app.t.two"]),
        ("ALTER INDEX i RENAME TO j; DROP INDEX CONCURRENTLY j", ["index"], []),
        ("ALTER TABLE t RENAME c TO d; ALTER TABLE t DROP d", ["column app.t.c", "index", "constraint app.t.short"], []),
        ("ALTER TRIGGER g ON t RENAME TO h", ["trigger"], ["trigger app.t.h"]),
        ("DROP TRIGGER g ON app.t", ["trigger"], []),
        ("ALTER TYPE kind RENAME VALUE 'x' TO 'y'", ["value"], ["value app.kind.y"]),
        ("ALTER TYPE kind RENAME TO k", ["type", "value"], ["type app.k", "value app.k.x"]),
        ("ALTER TYPE kind SET SCHEMA s", ["type", "value"], ["type s.kind", "value s.kind.x"]),
        ("DROP FUNCTION f(int)", ["function app.f"], ["function app.f"]),
        ("DROP FUNCTION f(int); DROP ROUTINE f", ["function"], []),
        ("DROP TYPE kind", ["type", "value"], []),
        ("DROP POLICY p ON t", [], []),
    ],
)
def test_a_later_step_takes_away(change: str, gone: list[str], new: list[str]) -> None:
    """What a later step drops, with all that goes with it, is not claimed any more, and what it renames is claimed by its new name."""
    left = labels(MADE, change)
    expected = [one for one in WHOLE if not any(one == name or one.split(" ")[0] == name for name in gone)]
    assert sorted(left) == sorted(expected + new)


def test_a_table_that_is_moved_takes_all_along() -> None:
    """Columns, constraints, indexes and triggers go with it; the steps that made them still answer for them."""
    found = claim(MADE, "ALTER TABLE t RENAME TO u; ALTER TABLE u SET SCHEMA s; ALTER SCHEMA s RENAME TO z")
    assert [(one.step, one.label) for one in found.objects if one.schema == "z"] == [
        ("1", "table z.u"),
        ("0", "column z.u.a"),
        ("0", "column z.u.b"),
        ("0", "constraint z.u.short"),
        ("0", "column z.u.c"),
        ("0", "constraint z.u.both_"),
        ("0", "index z.i"),
        ("0", "trigger z.u.g"),
    ]


def test_what_goes_by_cascade_is_nobodys_claim() -> None:
    """What stands on what is dropped is not told, so only schemas, extensions and whole tables are still looked for, and it is said."""
    found = claim(
        "CREATE SCHEMA s; CREATE TABLE u (a int); CREATE VIEW v AS SELECT * FROM t; CREATE TABLE t (a int)", "DROP TABLE t CASCADE"
    )
    assert [one.label for one in found.objects] == ["schema s", "table app.u"]
    assert found.not_checked == ("1: DROP TABLE t CASCADE",)
    assert labels(
        "CREATE TABLE t (a int); ALTER TABLE t DROP a CASCADE; ALTER TABLE t DROP CONSTRAINT c CASCADE; ALTER TABLE t ADD b int"
    ) == [
        "table app.t",
        "column app.t.b",
    ]


def test_partitions_go_with_their_parent() -> None:
    """Unless they were detached before."""
    made = "CREATE TABLE t (a int) PARTITION BY LIST (a); CREATE TABLE p PARTITION OF t DEFAULT; CREATE TABLE q (a int)"
    attached = "ALTER TABLE t ATTACH PARTITION q FOR VALUES IN (1)"
    assert labels(made, f"{attached}; DROP TABLE t") == []
    assert labels(made, f"{attached}; ALTER TABLE t DETACH PARTITION p; DROP TABLE t") == ["table app.p"]


def test_types_as_they_are_written() -> None:
    """A column has the type of the last step that says one, with its modifiers; serial is the integer that it stands for."""
    found = claim(
        "CREATE TABLE t (a serial, b varchar(20)[], c numeric(4,2), d timestamptz(3), e interval day to second(3), f kind, g s.kind); "
        "ALTER TABLE t ADD h char",
        "ALTER TABLE t ALTER a TYPE bigint; ALTER TABLE t ADD COLUMN IF NOT EXISTS b int; ALTER TYPE kind RENAME TO k; "
        "CREATE TABLE IF NOT EXISTS t (b int)",
    )
    types = {one.name: one.type for one in found.objects if one.type is not None}
    assert {name: one.text for name, one in types.items()} == {
        "a": "int8",
        "b": "varchar(20)[]",
        "c": "numeric(4,2)",
        "d": "timestamptz(3)",
        "e": "interval",
        "f": "app.k",
        "g": "s.kind",
        "h": "bpchar(1)",
    }
    assert (types["e"].modifiers, types["a"].modifiers) == (None, ())


def test_a_constraint_takes_its_index_over() -> None:
    """``USING INDEX`` leaves one object, of the constraint's name."""
    assert labels("CREATE TABLE t (a int); CREATE UNIQUE INDEX i ON t (a)", "ALTER TABLE t ADD CONSTRAINT u UNIQUE USING INDEX i") == [
        "table app.t",
        "column app.t.a",
        "constraint app.t.u",
    ]


def test_a_search_path_of_the_steps_own() -> None:
    """Behind it nobody knows where unqualified names live, to the end of the step."""
    found = claim("SET search_path = s; CREATE TABLE t (a int); CREATE TABLE s.u (a int)", "CREATE TABLE v (a int)")
    assert [one.label for one in found.objects] == ["table s.u", "column s.u.a", "table app.v", "column app.v.a"]
    assert found.not_checked == ("0: SET search_path = s", "0: CREATE TABLE t (a int)")


def test_temporary_tables_last_for_their_step() -> None:
    """What a later step does to a table of the same name stays, and is claimed."""
    assert labels("CREATE TEMP TABLE t (a int)", "CREATE TABLE t (a int); CREATE INDEX i ON t (a)") == [
        "table app.t",
        "column app.t.a",
        "index app.i",
    ]


def test_only_the_chosen_steps_claim() -> None:
    """Those before them explain what they rename, and are not looked for themselves."""
    found = claim("CREATE TABLE t (a int); SELECT 1", "ALTER TABLE t RENAME TO u", of=[1])
    assert [one.label for one in found.objects] == ["table app.u"]
    assert found.not_checked == ()


def test_functions_and_unreadable_sql() -> None:
    """They are named; a long statement is cut."""

    async def function() -> None: ...

    steps = [
        MigrationStep("py", "A step", up=function),
        MigrationStep("odd", "A step", up="SELEC"),
        MigrationStep("long", "A step", up="SELECT " + "1" * 90),
    ]
    found = claim_of(steps, of=frozenset({"py", "odd", "long"}), schema="app", parse=parse_sql)
    assert found.not_checked == ("py: a Python function", "odd: SQL that can't be parsed", f"long: SELECT {'1' * 52}…")


NAMES = st.sampled_from(["a", "b", "c"])


@given(st.lists(st.tuples(NAMES, NAMES, st.sampled_from(["make", "rename", "drop"])), max_size=12))
def test_any_course_of_making_renaming_and_dropping(course: list[tuple[str, str, str]]) -> None:
    """After any course that a server would take, the tables claimed are those that it would have."""
    tables: dict[str, str] = {}
    texts = []
    for one, other, what in course:
        if what == "make" and one not in tables:
            tables[one] = "column"
            texts.append(f"CREATE TABLE {one} (x int)")
        elif what == "rename" and one in tables and other not in tables:
            tables[other] = tables.pop(one)
            texts.append(f"ALTER TABLE {one} RENAME TO {other}")
        elif what == "drop" and one in tables:
            del tables[one]
            texts.append(f"DROP TABLE {one}")
    assert set(labels(*texts)) == {f"table app.{name}" for name in tables} | {f"column app.{name}.x" for name in tables}
