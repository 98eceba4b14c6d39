from __future__ import annotations

import sys

import pytest

from roost.postgres import has_parser, parse_sql


def test_a_text_is_split_into_its_statements() -> None:
    """Each comes with its kind, its parts and its own text; comments and empty statements are none."""
    found = parse_sql("-- é\nCREATE TABLE é (a int); /* ; */ DROP TABLE \"x;y\";;\nSELECT ';'")
    assert found is not None
    assert [(one.kind, one.text) for one in found] == [
        ("create_stmt", "CREATE TABLE é (a int)"),
        ("drop_stmt", 'DROP TABLE "x;y"'),
        ("select_stmt", "SELECT ';'"),
    ]
    assert found[0].tree["relation"]["relname"] == "é"
    assert parse_sql("") == ()


@pytest.mark.parametrize("sql", ["SELEC 1", "SELECT '", f"SELECT {'f(' * 500}1{')' * 500}", f"SELECT {'f(' * 20000}1{')' * 20000}"])
def test_what_the_grammar_does_not_take(sql: str) -> None:
    """Wrong, unfinished and bottomless texts have no statements, and nothing is raised."""
    assert parse_sql(sql) is None


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told, not raised, that the grammar is missing."""
    assert has_parser()
    monkeypatch.setitem(sys.modules, "postgast", None)
    assert not has_parser()
