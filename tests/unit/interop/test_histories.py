from __future__ import annotations

from typing import get_args

import pytest

from roost.cli._import import Tool
from roost.errors import HistoryNotInCode, HistoryUnfinished, HistoryUnreadable
from roost.interop import HISTORY_TOOLS, HistoryTool
from roost.interop._histories import TABLES, Row, chosen, history_of
from roost.migrations import MigrationStep


def steps(*names: str) -> list[MigrationStep]:
    return [MigrationStep(name, name, up="SELECT 1") for name in names]


def found(tool: HistoryTool, rows: list[Row], *names: str, app: str = "notes") -> list[str]:
    """Return the steps of these names that a history has."""
    history = history_of(tool, rows, table=f"public.{TABLES[tool].name}", name=app)
    return chosen(history, steps(*names), plugin="notes")


def test_the_command_line_knows_the_same_tools() -> None:
    """Each tool has a table, and can be named."""
    assert get_args(Tool) == HISTORY_TOOLS
    assert set(TABLES) == set(HISTORY_TOOLS)


@pytest.mark.parametrize("tool", ["dbmate", "rails"])
def test_versions_that_are_text(tool: HistoryTool) -> None:
    """A version is the digits with which a file begins, zeros included."""
    rows: list[Row] = [("20240101000000",), ("001",)]
    names = ("001_a", "20240101000000_b", "20240102000000_c", "1_other")
    assert found(tool, rows, *names) == ["001_a", "20240101000000_b"]
    with pytest.raises(HistoryNotInCode) as caught:
        found(tool, [("1",)], "001_a")
    assert caught.value.entries == ("1",)


def test_goose() -> None:
    """Versions are numbers, the last row of each counts, and the first row, of version 0, is none."""
    rows: list[Row] = [("0", "true"), ("1", "true"), ("2", "true"), ("2", "false"), ("3", "false"), ("3", "true")]
    assert found("goose", rows, "00001_a", "2_b", "03_c") == ["00001_a", "03_c"]


def test_golang_migrate() -> None:
    """Its one row stands for all numbers up to its own; what is dirty is refused, and -1 or no row is nothing."""
    assert found("golang-migrate", [("2", "false")], "1_a", "2_b", "10_c") == ["1_a", "2_b"]
    assert found("golang-migrate", [("-1", "false")], "1_a") == []
    assert found("golang-migrate", [], "1_a") == []
    with pytest.raises(HistoryUnfinished) as unfinished:
        found("golang-migrate", [("2", "true")], "1_a", "2_b")
    assert unfinished.value.entries == ("2",)
    with pytest.raises(HistoryNotInCode):
        found("golang-migrate", [("3", "false")], "1_a", "10_c")


def test_flyway() -> None:
    """Undone and deleted versions are not applied, a later row applies them again, repeatable ones and notes are passed over."""
    rows: list[Row] = [
        (None, "SCHEMA", "true", '"app"'),
        ("1", "SQL", "true", "V1__a.sql"),
        ("1.2", "SQL", "true", "V1_2__b.sql"),
        ("1.2", "UNDO_SQL", "true", "U1_2__b.sql"),
        ("1.10", "SQL", "true", "V1_10__c.sql"),
        (None, "SQL", "true", "R__view.sql"),
        ("2", "SQL", "true", "V2__gone.sql"),
        ("2", "DELETE", "true", "V2__gone.sql"),
    ]
    names = ("V1.0__a", "V1_2__b", "V1_10__c", "V3__d")
    assert found("flyway", rows, *names) == ["V1.0__a", "V1_10__c"]
    assert found("flyway", [*rows, ("1.2", "SQL", "true", "V1_2__b.sql")], *names) == ["V1.0__a", "V1_2__b", "V1_10__c"]
    with pytest.raises(HistoryUnfinished) as unfinished:
        found("flyway", [("1", "SQL", "false", "V1__a.sql")], *names)
    assert unfinished.value.entries == ("V1__a.sql",)
    with pytest.raises(HistoryNotInCode) as unknown:
        found("flyway", [("1.1", "JDBC", "true", "db.V1_1__x")], *names)
    assert unknown.value.entries == ("1.1",)


def test_a_baseline_of_flyways() -> None:
    """It stands for all versions up to its own, which the code need not have."""
    rows: list[Row] = [("1.5", "BASELINE", "true", "<< Flyway Baseline >>"), ("2", "SQL", "true", "V2__c.sql")]
    assert found("flyway", rows, "V1__a", "V1_10__b", "V2__c") == ["V1__a", "V2__c"]


def test_django() -> None:
    """Names are the same; those of other apps are passed over; an app that it does not know is refused with those that it does."""
    rows: list[Row] = [("auth", "0001_initial"), ("notes", "0001_initial"), ("notes", "0002_kind")]
    assert found("django", rows, "0001_initial", "0002_kind", "0003_more") == ["0001_initial", "0002_kind"]
    with pytest.raises(HistoryUnreadable) as caught:
        found("django", rows, "0001_initial", app="note")
    assert caught.value.hint == "say with --app which is meant; there are: auth, notes"


def test_elizaos() -> None:
    """The journal counts a plugin's migrations from 0; a step's number is its place there."""
    rows: list[Row] = [("notes", '[{"idx": 0, "tag": "0000_notes_x"}, {"idx": 1, "tag": "0001_notes_y"}]'), ("other", "[]")]
    assert found("elizaos", rows, "0000_initial", "0001_kind", "0002_more") == ["0000_initial", "0001_kind"]
    assert found("elizaos", rows, "0000_initial", app="other") == []
    with pytest.raises(HistoryNotInCode):
        found("elizaos", rows, "0000_initial")


@pytest.mark.parametrize("entries", [None, "{", '{"idx": 0}', '[{"tag": "0000_notes_x"}]', '[{"idx": null}]', "7", "[7]"])
def test_a_journal_of_another_form_is_refused(entries: str | None) -> None:
    """What is no list of numbered entries is told as an unreadable history, whatever is wrong with it."""
    with pytest.raises(HistoryUnreadable, match="are no journal"):
        found("elizaos", [("notes", entries)], "0000_initial")


def test_alembic_without_its_directory() -> None:
    """A head stands for the steps up to the one that begins with it; of several heads nobody knows what lies below."""
    names = ("ab12_first", "cd34-second", "ef56")
    assert found("alembic", [("cd34",)], *names) == ["ab12_first", "cd34-second"]
    assert found("alembic", [], *names) == []
    with pytest.raises(HistoryUnreadable, match="several heads, cd34, ef56"):
        found("alembic", [("cd34",), ("ef56",)], *names)
    with pytest.raises(HistoryNotInCode):
        found("alembic", [("cd3",)], *names)


def test_golang_migrate_keeps_one_row() -> None:
    """With several rows nobody knows which number counts."""
    with pytest.raises(HistoryUnreadable, match="has 2 rows"):
        found("golang-migrate", [("3", "false"), ("1", "false")], "1_a", "2_b", "3_c")


@pytest.mark.parametrize("tool", ["dbmate", "flyway", "goose", "rails"])
def test_a_number_without_end(tool: HistoryTool) -> None:
    """A number that is longer than Python reads is that of no step."""
    number = "9" * 5000
    rows: dict[HistoryTool, Row] = {"flyway": (number, "SQL", "true", "V9__a.sql"), "goose": (number, "true")}
    with pytest.raises(HistoryNotInCode):
        found(tool, [rows.get(tool, (number,))], "1_a", "V1__a")
