from __future__ import annotations

import pytest

from roost.lint._finding import Remark
from roost.lint._ignores import Ignore, answered, read_ignores, unexplained
from roost.postgres import parse_sql

KNOWN = frozenset({"truncate", "cluster", "number-gap"})


def remark(sql: str, at: str, rule: str = "truncate") -> Remark:
    """Return a remark on the first place that reads like `at`."""
    return Remark(rule=rule, severity="error", what="what", why="why", safer="safer", position=sql.index(at))


def left(sql: str, *remarks: Remark) -> list[str]:
    """Return the rules of what is left of remarks on a text."""
    return [said.rule for said in answered(remarks, read_ignores(sql), parse_sql(sql), sql=sql, known=KNOWN).remarks]


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("-- roost: ignore truncate: it is empty", (("truncate",), "it is empty", False)),
        ("--roost:ignore truncate,cluster :a: b", (("truncate", "cluster"), "a: b", False)),
        ("-- roost: ignore-file number-gap: lost", (("number-gap",), "lost", True)),
        ("-- roost: ignore truncate", (("truncate",), "", False)),
        ("-- roost: ignore truncate:  ", (("truncate",), "", False)),
        ("-- roost: ignore", ((), "", False)),
    ],
)
def test_a_comment_is_read(comment: str, expected: tuple[tuple[str, ...], str, bool]) -> None:
    """It names rules, and behind a colon the reason; it is about a statement, or about the file."""
    rules, reason, is_of_file = expected
    assert read_ignores(f"SELECT 1;\n{comment}\nTRUNCATE a") == [Ignore(position=10, rules=rules, reason=reason, is_of_file=is_of_file)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT '\n-- roost: ignore truncate: in a literal\n'",
        "/*\n-- roost: ignore truncate: in another comment\n*/",
        "DO $$\n-- roost: ignore truncate: in a body\n$$",
        "-- roost: ignored truncate: another word",
        "-- roost: ignore-files truncate: another word",
        "-- roost: after = a",
    ],
)
def test_what_is_no_such_comment_is_none(sql: str) -> None:
    """What only looks like one is passed over."""
    assert read_ignores(sql) == []


def test_it_answers_the_statement_that_follows() -> None:
    """Before a statement, in it, or on its last line it is about this one, and about no other."""
    comment = "-- roost: ignore truncate: why"
    for sql in (
        f"{comment}\nTRUNCATE a;\nTRUNCATE b;",
        f"{comment}\n\n-- more\nTRUNCATE a; TRUNCATE b;",
        f"TRUNCATE {comment}\na;\nTRUNCATE b;",
        f"TRUNCATE a; {comment}\nTRUNCATE b;",
    ):
        assert left(sql, remark(sql, "TRUNCATE a") if "TRUNCATE a" in sql else remark(sql, "TRUNCATE")) == []
        assert left(sql, remark(sql, "TRUNCATE b")) == ["truncate", "ignore-unused"]


def test_it_answers_only_the_rules_that_it_names() -> None:
    """Another rule about the same statement is told all the same."""
    sql = "-- roost: ignore truncate: why\nTRUNCATE a"
    assert left(sql, remark(sql, "TRUNCATE"), remark(sql, "TRUNCATE", "cluster")) == ["cluster"]


def test_one_for_the_file_answers_everywhere() -> None:
    """Wherever it stands, and also where the text can't be split into statements."""
    sql = "TRUNCATE a;\nTRUNCATE b;\n-- roost: ignore-file truncate: why"
    both = [remark(sql, "TRUNCATE a"), remark(sql, "TRUNCATE b")]
    assert left(sql, *both) == []
    assert answered(both, read_ignores(sql), None, sql=sql, known=KNOWN).ignored == 2


def test_without_a_reason_it_counts_for_nothing() -> None:
    """What it should have answered is told, and so is it."""
    sql = "-- roost: ignore truncate\nTRUNCATE a"
    assert left(sql, remark(sql, "TRUNCATE")) == ["truncate", "ignore-without-reason"]


def test_a_rule_that_is_none_is_told() -> None:
    """A name that no rule has, and no name at all; the others that it names count."""
    sql = "-- roost: ignore truncat, truncate: why\nTRUNCATE a"
    assert left(sql, remark(sql, "TRUNCATE")) == ["ignore-unknown-rule"]
    sql = "-- roost: ignore: why\nTRUNCATE a"
    assert left(sql, remark(sql, "TRUNCATE")) == ["truncate", "ignore-unknown-rule"]


def test_one_that_answers_nothing_is_told() -> None:
    """What it was written for is gone; where the text can't be split, nobody can tell that."""
    sql = "-- roost: ignore truncate: why\nSELECT 1"
    assert left(sql) == ["ignore-unused"]
    assert left("SELECT 1;\n-- roost: ignore truncate: why") == ["ignore-unused"]
    assert answered([], read_ignores(sql), None, sql=sql, known=KNOWN).remarks == ()


def test_squawks_own_comments_are_to_give_a_reason_too() -> None:
    """Behind two dashes they do; without, that is a warning."""
    assert unexplained("-- squawk-ignore ban-drop-table -- nobody uses it\nDROP TABLE a") == []
    (said,) = unexplained("SELECT 1;\n-- squawk-ignore ban-drop-table\nDROP TABLE a")
    assert (said.rule, said.severity, said.position) == ("ignore-without-reason", "warning", 10)
