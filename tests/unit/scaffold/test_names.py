from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.errors import InvalidSqlFile, RoostError, UnfitName
from roost.postgres import parse_sql
from roost.scaffold import (
    Draft,
    add_column,
    backfill,
    create_index,
    create_table,
    empty_step,
    enum_value,
    foreign_key,
    plugin_files,
    project_files,
)
from roost.scaffold._names import is_constant, joined_name, module_name, sql_expression, sql_name, sql_type, step_name


@pytest.mark.parametrize(
    ("name", "written"),
    [("notes", "notes"), ("_n$1", "_n$1"), ("Notes", '"Notes"'), ("order", '"order"'), ("größe", '"größe"'), ("name", "name")],
)
def test_names_are_quoted_where_they_need_it(name: str, written: str) -> None:
    """A plain name stays as it is; upper case, other letters and reserved words are put into quotes."""
    assert sql_name(name, what="table") == written


@pytest.mark.parametrize("name", ["", "1a", "a b", "a;b", 'a"b', "a'b", "a-b", "a\nb", "a\0b", "x" * 64, "ä" * 32, "--", "a.b"])
def test_what_is_no_name_is_refused(name: str) -> None:
    """Whatever could end a name, or be cut by the server, is refused with one error."""
    with pytest.raises(UnfitName, match="table"):
        sql_name(name, what="table")


@pytest.mark.parametrize(
    "text",
    [
        "text",
        "numeric(12,2)",
        "numeric (12, 2)",
        "varchar(20)",
        "bigint[]",
        "int[3][3]",
        "timestamp with time zone",
        "app.mood",
        "double precision",
    ],
)
def test_types(text: str) -> None:
    """What PostgreSQL has for types is taken, and is one type in its grammar."""
    statements = parse_sql(f"CREATE TABLE t (a {sql_type(text)})")
    assert statements is not None
    assert len(statements[0].tree["table_elts"]) == 1


@pytest.mark.parametrize(
    "text",
    ["", "int, b int", "int;", "text)", "text --", "text/**/", "'x'", "text\0", "numeric(a)", "int default 1,", "order", "text not null"],
)
def test_what_is_no_type_is_refused(text: str) -> None:
    """What could add something else to the statement is refused."""
    with pytest.raises(UnfitName, match="type"):
        sql_type(text)


@pytest.mark.parametrize(
    "text", ["0", "-1.5", "'it''s; -- fine'", "lower(title)", "now()", "coalesce(a, b) || 'x'", "'{}'::jsonb", "ARRAY[1, 2]"]
)
def test_expressions(text: str) -> None:
    """An expression is taken as it is, whatever its strings hold."""
    assert sql_expression(f" {text} ", what="default") == text


@pytest.mark.parametrize(
    "text", ["", "1; DROP TABLE x", "1)", "(1", "'a", "1 -- x", "1 /* x", "a\nb", "1) FROM (SELECT 2", "\\dt", "a b c", "]["]
)
def test_what_is_no_expression_is_refused(text: str) -> None:
    """What would end the statement, or swallow what follows, is refused, and so is what the grammar does not take."""
    with pytest.raises(UnfitName, match="default"):
        sql_expression(text, what="default")


@pytest.mark.parametrize("text", ["1; DROP TABLE x", "1)", "(1", "'a", "1 -- x", "1 /* x"])
def test_what_is_no_expression_is_refused_without_the_grammar(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra `sql` whatever could go on behind an expression is refused all the same."""
    monkeypatch.setitem(sys.modules, "postgast", None)
    with pytest.raises(UnfitName, match="default"):
        sql_expression(text, what="default")
    assert sql_expression("lower('x;')", what="default") == "lower('x;')"


@pytest.mark.parametrize(
    ("text", "constant"),
    [
        ("0", True),
        ("'x'", True),
        ("'{}'::jsonb", True),
        ("now()", True),
        ("TRUE", True),
        ("random()", False),
        ("gen_random_uuid()", False),
        ("'a' || random()", False),
        ("1 + 1", False),
        ("-1::bigint", True),
        ("current_date", False),
    ],
)
def test_what_is_the_same_for_all_rows(text: str, constant: bool) -> None:  # noqa: FBT001 -- a case
    """Literals and the time of the transaction are; a function that may differ from row to row is not."""
    assert is_constant(text) is constant


def test_a_default_that_differs_holds_for_new_rows_only() -> None:
    """It is set apart from the column, so that no table is written anew; NOT NULL needs a constant."""
    (draft,) = add_column("note", "token", "uuid", default="gen_random_uuid()")
    assert "ADD COLUMN token uuid;" in draft.sql
    assert "ALTER COLUMN token SET DEFAULT gen_random_uuid();" in draft.sql
    for default in (None, "gen_random_uuid()"):
        with pytest.raises(UnfitName, match="--not-null needs a constant --default"):
            add_column("note", "token", "uuid", default=default, not_null=True)


def test_long_names_of_indexes_are_cut_as_a_whole() -> None:
    """A name that PostgreSQL would cut keeps its ending, and is whole characters."""
    assert joined_name("note", "kind", ending="idx") == "note_kind_idx"
    name = joined_name("ä" * 30, "b" * 30, ending="idx")
    assert name.endswith("_idx")
    assert len(name.encode()) <= 63


@pytest.mark.parametrize(
    ("said", "name"), [("Add a Kind!", "add_a_kind"), ("  x--y ", "x_y"), ("größe 2", "größe_2"), ("a" * 100, "a" * 100)]
)
def test_names_of_steps(said: str, name: str) -> None:
    """Words become the name of a file."""
    assert step_name(said) == name


@pytest.mark.parametrize("said", ["", "!!", "../../etc/passwd", "a/b", "a\\b", "a\nb", "a\0", "a" * 101])
def test_what_names_no_step(said: str) -> None:
    """Nothing that leads out of the folder, or is no name at all."""
    with pytest.raises(UnfitName, match="step"):
        empty_step(said)


def test_modules_of_plugins() -> None:
    """A plugin's module is named as its schema is, without its scope."""
    assert module_name("@org/plugin-memory", what="plugin") == "memory"
    assert module_name("My Notes", what="plugin") == "my_notes"
    for name in ("", "class", "!!", "\n", "x" * 70):
        with pytest.raises(UnfitName):
            module_name(name, what="plugin")
    for taken in ("tests", "@a/plugin-tests"):
        with pytest.raises(UnfitName):
            plugin_files(taken)
    with pytest.raises(UnfitName, match="--name"):
        project_files("asyncio")


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        (["title"], "name:type"),
        (["a:text", "a:int"], "two of that name"),
        (["a:text:big"], "none of"),
        (["id:int", "b:int:primary-key"], "one primary key"),
        (["a:"], "no type"),
    ],
)
def test_columns_that_are_none(columns: list[str], reason: str) -> None:
    """What is said wrongly of a column is told."""
    with pytest.raises(UnfitName, match=reason):
        create_table("note", columns)


def test_a_table_has_one_primary_key() -> None:
    """It is the column that is said to be it, or is called id, or an id of its own."""
    assert "id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY" in create_table("note", ["title:text"])[0].sql
    for columns in (["id:uuid"], ["id:uuid:primary-key"]):
        assert create_table("note", columns)[0].sql.count("PRIMARY KEY") == 1
    assert "id " not in create_table("note", ["code:text:primary-key"])[0].sql


def test_places_of_values() -> None:
    """A value stands in one place, and is a text of 1 to 63 bytes."""
    with pytest.raises(UnfitName, match="--before or --after"):
        enum_value("mood", "x", before="a", after="b")
    for value in ("", "x" * 64, "a\nb"):
        with pytest.raises(UnfitName, match="value"):
            enum_value("mood", value)


def test_an_index_is_dropped_where_its_table_is() -> None:
    """Its name has the table's schema in front, as it need not be the plugin's own."""
    assert "DROP INDEX CONCURRENTLY IF EXISTS app.note_kind_idx;" in create_index("app.note", ["kind"])[0].sql


def test_an_index_needs_a_column() -> None:
    """Without one there is nothing to index."""
    with pytest.raises(UnfitName, match="at least one column"):
        create_index("note", [])


WORDS = st.one_of(
    st.sampled_from(["note", "order", "id", "lower(title)", "text", "numeric(3)", "'$$'", "'it''s'", "$q$", "Aä"]), st.text(max_size=12)
)


@given(WORDS, WORDS, WORDS)
def test_any_words_give_a_step_that_can_be_read_or_one_error(one: str, two: str, three: str) -> None:
    """Whatever is said: either SQL of as many statements as meant, or an error of roost's."""
    makers: dict[str, Callable[[], tuple[Draft, ...]]] = {
        "create_stmt": lambda: create_table(one, [f"{two}:{three}"]),
        "alter_table_stmt": lambda: foreign_key(one, two, three),
        "index_stmt": lambda: create_index(one, [two, three]),
        "do_stmt": lambda: backfill(one, two, three),
        "alter_enum_stmt": lambda: enum_value(one, two, after=three),
    }
    for kind, make in makers.items():
        try:
            drafts = make()
        except UnfitName:
            continue
        except RoostError as error:
            assert isinstance(error, InvalidSqlFile), error  # noqa: PT017 -- the other kind that there may be
            continue
        for draft in drafts:
            up = draft.sql.partition("-- migrate:up")[2].partition("-- migrate:down")[0].partition("\n")[2]
            parsed = parse_sql(up)
            assert parsed is not None, draft.sql
            assert [statement.kind for statement in parsed] == [kind]
