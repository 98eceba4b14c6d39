from __future__ import annotations

import sys

import pytest

from roost.postgres import (
    AddsEnumValue,
    BuildsIndex,
    ControlsTransaction,
    DetachesPartition,
    DropsIndex,
    FitsTransaction,
    ObjectName,
    RebuildsIndexes,
    RunsAgain,
    Sets,
    Uncertain,
    has_parser,
    parse_sql,
    statements_of,
    syntax_fault,
    without_foreign_keys,
)

T = ObjectName("t")


def test_statements_are_parted_where_they_end() -> None:
    """Semicolons in literals, comments, quoted names and bodies part nothing; each statement knows where it begins in the text."""
    sql = "-- é; x\nVACUUM t;\n;INSERT INTO \"a;é\" VALUES ('é;'); /* ; */ DO $$BEGIN; END$$;\nSELECT 1 -- ;"
    found = statements_of(sql)
    assert found is not None
    assert [one.text for one in found] == ["VACUUM t", "INSERT INTO \"a;é\" VALUES ('é;')", "DO $$BEGIN; END$$", "SELECT 1 -- ;"]
    assert [sql[one.start :].startswith(one.text) for one in found] == [True] * 4


@pytest.mark.parametrize(
    ("sql", "effect"),
    [
        ("DROP INDEX CONCURRENTLY IF EXISTS i", DropsIndex(ObjectName("i"))),
        ('drop index concurrently "S"."I ""1"""', DropsIndex(ObjectName('I "1"', "S"))),
        ("DROP INDEX CONCURRENTLY i, j", Uncertain()),
        ("DROP INDEX i", FitsTransaction()),
        ("REINDEX INDEX CONCURRENTLY s.i", RebuildsIndexes(scope="index", of=ObjectName("i", "s"))),
        ("REINDEX (VERBOSE, CONCURRENTLY) TABLE t", RebuildsIndexes(scope="table", of=T)),
        ("REINDEX SCHEMA CONCURRENTLY s", RebuildsIndexes(scope="schema", of=ObjectName("s"))),
        ("REINDEX DATABASE CONCURRENTLY", RebuildsIndexes(scope="database", of=None)),
        ("REINDEX TABLE t", RunsAgain()),
        ("ALTER TABLE t DETACH PARTITION p CONCURRENTLY", DetachesPartition(parent=T, partition=ObjectName("p"))),
        ("ALTER TABLE t DETACH PARTITION p FINALIZE", DetachesPartition(parent=T, partition=ObjectName("p"))),
        ("ALTER TABLE t DETACH PARTITION p", FitsTransaction()),
        ("ALTER TABLE t ADD x int, ADD y int", FitsTransaction()),
        ("ALTER TYPE s.k ADD VALUE IF NOT EXISTS 'v' BEFORE 'w'", AddsEnumValue(type=ObjectName("k", "s"), value="v")),
        ("ALTER TYPE k RENAME VALUE 'v' TO 'w'", FitsTransaction()),
        ("VACUUM", RunsAgain()),
        ("ANALYZE t", RunsAgain()),
        ("SET LOCAL x.y = 1", Sets()),
        ("RESET ALL", Sets()),
        ("COMMIT", ControlsTransaction()),
        ("SAVEPOINT s", ControlsTransaction()),
        ("CALL p()", Uncertain()),
        ("DO $$BEGIN COMMIT; END$$", Uncertain()),
        ("CREATE DATABASE d", Uncertain()),
        ("SELECT 1", FitsTransaction()),
        ("CREATE INDEX ON t (x)", FitsTransaction()),
        ("this is no SQL; at all", Uncertain()),
    ],
)
def test_what_a_statement_does(sql: str, effect: object) -> None:
    """It is told by PostgreSQL's own grammar; what that refuses is left to the server, whole."""
    found = statements_of(sql)
    assert found is not None
    assert [(one.text, one.effect) for one in found] == [(sql, effect)]


def built(sql: str) -> BuildsIndex:
    found = statements_of(sql)
    assert found is not None
    effect = found[0].effect
    assert isinstance(effect, BuildsIndex)
    return effect


def test_an_index() -> None:
    """Its name and table are known, and how it would be made on a copy of the table."""
    effect = built('create unique index concurrently "I" on only "S".t using gin (lower(t.x) desc) tablespace fast where t.x is not null')
    assert (effect.name, str(effect.table)) == ("I", '"S"."t"')
    assert effect.twin == 'CREATE UNIQUE INDEX "I" ON pg_temp.t USING gin (lower(t.x) DESC) WHERE t.x IS NOT NULL'
    assert built("CREATE INDEX CONCURRENTLY ON t (x)").name is None


@pytest.mark.parametrize(
    ("sql", "strict"),
    [
        ("CREATE INDEX CONCURRENTLY i ON t (x)", "CREATE INDEX CONCURRENTLY i ON t (x)"),
        ("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (x)", "CREATE INDEX CONCURRENTLY               i ON t (x)"),
        (
            "CREATE INDEX CONCURRENTLY /* é */ if/**/not\nexists i ON t (x)",
            "CREATE INDEX CONCURRENTLY /* é */   /**/   \n       i ON t (x)",
        ),
    ],
)
def test_an_index_that_is_there_is_no_success(sql: str, strict: str) -> None:
    """The statement is sent without its ``IF NOT EXISTS``, and every other sign stays in its place."""
    assert built(sql).strict == strict


def test_a_text_is_split_into_its_statements() -> None:
    """Each comes with its kind, its parts and its own text; comments and empty statements are none."""
    sql = "-- é\nCREATE TABLE é (a int); /* ; */ DROP TABLE \"x;y\";;\nSELECT ';'"
    found = parse_sql(sql)
    assert found is not None
    assert [(one.kind, one.text) for one in found] == [
        ("create_stmt", "CREATE TABLE é (a int)"),
        ("drop_stmt", 'DROP TABLE "x;y"'),
        ("select_stmt", "SELECT ';'"),
    ]
    assert all(sql.startswith(one.text, one.start) for one in found)
    assert found[0].tree["relation"]["relname"] == "é"
    assert parse_sql("") == ()


@pytest.mark.parametrize("sql", ["SELEC 1", "SELECT '", f"SELECT {'f(' * 500}1{')' * 500}", f"SELECT {'f(' * 20000}1{')' * 20000}"])
def test_what_the_grammar_does_not_take(sql: str) -> None:
    """Wrong, unfinished and bottomless texts have no statements, and nothing is raised."""
    assert parse_sql(sql) is None


def test_foreign_keys_are_taken_out_of_a_table() -> None:
    """Each becomes a statement of its own, with all that it says; everything else stays in the table."""
    sql = """CREATE TABLE IF NOT EXISTS s.t (
        id int PRIMARY KEY,
        a int CONSTRAINT to_u REFERENCES u (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED NOT NULL,
        b int UNIQUE DEFERRABLE REFERENCES s.t CHECK (b > 0),
        c int REFERENCES u NOT ENFORCED,
        CONSTRAINT pair FOREIGN KEY (a, b) REFERENCES v (x, y) MATCH FULL
    )"""
    assert without_foreign_keys(sql) == (
        "CREATE TABLE IF NOT EXISTS s.t (id int PRIMARY KEY, a int NOT NULL, b int UNIQUE DEFERRABLE CHECK (b > 0), c int)",
        (
            "ALTER TABLE s.t ADD CONSTRAINT to_u FOREIGN KEY (a) REFERENCES u (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED",
            "ALTER TABLE s.t ADD FOREIGN KEY (b) REFERENCES s.t",
            "ALTER TABLE s.t ADD FOREIGN KEY (c) REFERENCES u NOT ENFORCED",
            "ALTER TABLE s.t ADD CONSTRAINT pair FOREIGN KEY (a, b) REFERENCES v (x, y) MATCH FULL",
        ),
    )


@pytest.mark.parametrize(
    "sql", ["CREATE TABLE t (id int CHECK (id > 0))", "CREATE VIEW v AS SELECT 1", "CREATE TABLE t (); SELECT 1", "SELEC"]
)
def test_where_there_are_no_foreign_keys_nothing_is_taken_out(sql: str) -> None:
    """Other statements, several at once, and what the grammar does not take are left as they are."""
    assert without_foreign_keys(sql) is None


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known of any statement."""
    monkeypatch.setitem(sys.modules, "postgast", None)
    assert not has_parser()
    assert statements_of("VACUUM") is None


def test_what_the_grammar_has_against_a_text() -> None:
    """The parser's words, and the place in characters; none for a text that it takes, or that nests too deep for it to tell."""
    sql = "SELECT 'é𝒳';\nSELECT é FROM WHERE 3"
    assert syntax_fault(sql) == ('syntax error at or near "WHERE"', sql.index("WHERE"))
    assert syntax_fault("SELECT 1; SELECT") is None
    assert syntax_fault("SELECT 'a") == ('unterminated quoted string at or near "\'a"', 7)
    assert syntax_fault(f"SELECT {' + '.join(['1'] * 3000)}") is None
