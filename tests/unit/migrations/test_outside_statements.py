from __future__ import annotations

import sys

import pytest

from roost import MigrationStep
from roost.errors import InvalidStep
from roost.migrations._outside_statements import check_outside, doubt, outside_statements, shown

INDEX = "CREATE INDEX CONCURRENTLY i ON t (x)"


def step(up: str) -> MigrationStep:
    return MigrationStep("s", "S", up=up, transactional=False)


def in_doubt(up: str, *, ended: int = 0, is_same: bool = True) -> str | None:
    """Return the statement in doubt."""
    found = doubt(step(up), plugin="p", name="s", ended=ended, is_same=is_same)
    return None if found is None else found.sql


@pytest.mark.parametrize(
    ("up", "ended", "sql"),
    [
        (INDEX, 0, None),
        ("CALL p()", 0, "CALL p()"),
        (f"{INDEX}; CALL p()", 0, None),
        (f"{INDEX}; CALL p()", 1, "CALL p()"),
        (f"{INDEX}; CALL p()", 2, None),
        ("INSERT INTO t VALUES (1)", 0, None),
        ("this is no SQL", 0, "this is no SQL"),
    ],
)
def test_only_the_statement_in_hand_is_in_doubt(up: str, ended: int, sql: str | None) -> None:
    """What was noted has ended, and what comes later was not begun."""
    assert in_doubt(up, ended=ended) == sql


@pytest.mark.parametrize(
    ("up", "sql"),
    [
        (f"SET x.y = 1; {INDEX}; VACUUM t; DROP INDEX CONCURRENTLY j", None),
        (f"{INDEX}; INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (1)"),
        (f"{INDEX}; CALL p()", "CALL p()"),
    ],
)
def test_of_a_changed_text_every_statement_is_in_doubt(up: str, sql: str | None) -> None:
    """The catalogue has to tell each effect."""
    assert in_doubt(up, ended=2, is_same=False) == sql


def test_a_step_that_is_no_longer_what_it_was() -> None:
    """One that is gone, or runs in a transaction now, is a person's to look for."""
    gone = doubt(None, plugin="p", name="s", ended=0, is_same=False)
    inside = doubt(MigrationStep("s", "S", up="SELECT 1"), plugin="p", name="s", ended=0, is_same=True)
    assert (gone and gone.sql, inside and inside.sql) == ("its SQL is no longer in the code", "SELECT 1")


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step is one statement that nobody knows, and the hint names what would know it."""
    monkeypatch.setitem(sys.modules, "postgast", None)
    assert [one.text for one in outside_statements(f"{INDEX}; VACUUM t")] == [f"{INDEX}; VACUUM t"]
    found = doubt(step(INDEX), plugin="p", name="s", ended=0, is_same=True)
    assert found is not None
    assert "INVALID index" in found.hint
    assert "pip install 'roost[sql]'" in found.hint


@pytest.mark.parametrize(
    ("up", "reason"),
    [("CREATE INDEX CONCURRENTLY ON t (x)", "an index without a name"), ("BEGIN; VACUUM t; COMMIT", "it holds BEGIN")],
)
def test_what_is_refused(up: str, reason: str) -> None:
    """What nobody could take up again; in a transaction both are somebody else's to refuse."""
    with pytest.raises(InvalidStep, match=reason):
        check_outside(step(up))
    check_outside(MigrationStep("s", "S", up=up))
    check_outside(step(INDEX))


def test_long_statements_are_shown_short() -> None:
    """In one line, and cut."""
    assert shown("a\n  b") == "a b"
    assert len(shown("x" * 500)) == 200
