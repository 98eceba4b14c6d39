from __future__ import annotations

import pytest

from roost.lint._own_rules import OWN_RULES, own_remarks
from roost.postgres import parse_sql, statements_of


def rules(sql: str, *, transactional: bool = True) -> list[str]:
    """Return the rules that a text breaks, in order."""
    parsed, statements = parse_sql(sql), statements_of(sql)
    assert parsed is not None
    assert statements is not None
    return [said.rule for said in own_remarks(parsed, statements, transactional=transactional)]


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("TRUNCATE notes", "truncate"),
        ("TRUNCATE a, s.b", "truncate"),
        ("DELETE FROM notes", "delete-without-where"),
        ("DELETE FROM notes USING tags", "delete-without-where"),
        ("WITH gone AS (DELETE FROM notes RETURNING *) INSERT INTO old SELECT * FROM gone", "delete-without-where"),
        ("UPDATE notes SET kind = 'note'", "update-without-where"),
        ("CLUSTER notes USING i", "cluster"),
        ("CLUSTER", "cluster"),
        ("ALTER TABLE notes SET TABLESPACE fast", "set-tablespace"),
        ("ALTER INDEX i SET TABLESPACE fast", "set-tablespace"),
        ("ALTER TABLE ALL IN TABLESPACE slow SET TABLESPACE fast", "set-tablespace"),
        ("ALTER TABLE notes ADD a int, SET UNLOGGED", "set-logged"),
        ("ALTER TABLE notes SET LOGGED", "set-logged"),
        ("ALTER TABLE notes SET ACCESS METHOD heap2", "set-access-method"),
        ("ALTER TABLE notes DISABLE TRIGGER ALL", "disable-trigger"),
        ("ALTER TABLE ONLY notes DISABLE TRIGGER USER", "disable-trigger"),
        ("ALTER TABLE notes DISABLE TRIGGER one", "disable-trigger"),
        ("CREATE INDEX CONCURRENTLY i ON notes (a)", "refuses-transaction"),
        ("DROP INDEX CONCURRENTLY i", "refuses-transaction"),
        ("REINDEX TABLE CONCURRENTLY notes", "refuses-transaction"),
        ("ALTER TABLE notes DETACH PARTITION p CONCURRENTLY", "refuses-transaction"),
        ("VACUUM notes", "refuses-transaction"),
        ("CREATE DATABASE other", "refuses-transaction"),
        ("COMMIT", "transaction-control"),
        ("SAVEPOINT a", "transaction-control"),
    ],
)
def test_each_rule_finds_what_it_is_for(sql: str, rule: str) -> None:
    """A statement that a rule is about is found, by this rule alone."""
    assert rules(sql) == [rule]


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM notes WHERE id = 1",
        "UPDATE notes SET kind = 'note' WHERE kind IS NULL",
        "TRUNCATE notes CASCADE",  # squawk speaks of it
        "ALTER TABLE notes ENABLE TRIGGER ALL",
        "ALTER TABLE notes ADD a int",
        "CREATE FUNCTION empty() RETURNS void BEGIN ATOMIC DELETE FROM notes; END",
        "CREATE RULE r AS ON DELETE TO notes DO INSTEAD UPDATE notes SET gone = true",
        "CREATE TABLE notes (id int); INSERT INTO notes VALUES (1); UPDATE notes SET id = 2; DELETE FROM notes; TRUNCATE notes",
        "CREATE TABLE s.notes AS SELECT 1 AS id; ALTER TABLE s.notes SET UNLOGGED",
    ],
)
def test_what_harms_nobody_is_passed_over(sql: str) -> None:
    """What says which rows, runs later, or is about a table that the text itself makes, is no concern."""
    assert rules(sql) == []


def test_a_table_that_may_have_been_there_is_not_a_new_one() -> None:
    """IF NOT EXISTS makes no table of a database that has it; nor does a table that another schema gets."""
    assert rules("CREATE TABLE IF NOT EXISTS notes (id int); DELETE FROM notes") == ["delete-without-where"]
    assert rules("CREATE TABLE a.notes (id int); DELETE FROM b.notes") == ["delete-without-where"]
    assert rules("DELETE FROM notes; CREATE TABLE notes (id int)") == ["delete-without-where"]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        *((on, ["vacuum-full"]) for on in ("FULL", "(FULL)", "(FULL 1)", "(FULL on, ANALYZE)", "(FULL 1.5)")),
        *((off, []) for off in ("(FULL false)", "(FULL OFF)", "(FULL 0)", "(ANALYZE)", "")),
    ],
)
def test_vacuum_full_is_told_from_vacuum(options: str, found: list[str]) -> None:
    """Only where FULL is on the table is written anew."""
    assert rules(f"VACUUM {options} notes", transactional=False) == found


def test_outside_a_transaction_nothing_is_refused_for_it() -> None:
    """What PostgreSQL refuses in a transaction is right outside of one; BEGIN and COMMIT are wrong in both."""
    assert rules("CREATE INDEX CONCURRENTLY i ON notes (a); VACUUM notes", transactional=False) == []
    assert rules("BEGIN", transactional=False) == ["transaction-control"]


def test_a_remark_stands_where_its_statement_begins() -> None:
    """The position is that of the statement's first word, whatever comments come before it, and counts characters."""
    sql = "-- é\nSELECT 1; /* ü */\n-- why\n  TRUNCATE notes"
    (said,) = own_remarks(parse_sql(sql) or (), statements_of(sql) or (), transactional=True)
    assert sql[said.position :] == "TRUNCATE notes"
    assert (said.what, said.severity) == ("TRUNCATE of notes", "error")


def test_a_long_statement_is_told_in_one_short_line() -> None:
    """What is quoted of a statement fits a line."""
    sql = f"CREATE INDEX CONCURRENTLY i\nON notes ({', '.join(f'column_number_{number}' for number in range(9))})"
    (said,) = own_remarks(parse_sql(sql) or (), statements_of(sql) or (), transactional=True)
    assert said.what.startswith("CREATE INDEX CONCURRENTLY i ON notes (column_number_0, ")
    assert said.what.endswith("… in a transaction")
    assert len(said.what) < 90


def test_each_rule_says_why_and_what_is_safer() -> None:
    """No rule is without its reason and its advice."""
    assert [name for name, rule in OWN_RULES.items() if not rule.why or not rule.safer] == []
