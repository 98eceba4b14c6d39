"""What may be declared as a schema, and what becomes of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Column, Enum, ForeignKey, Index, Integer, MetaData, Table
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from roost.errors import InvalidSchema, InvalidSchemaName, SchemaExtraMissing
from roost.schema import DeclaredPlugin, DeclaredSchema, Script, declared_plugin


def text_of(given: object, *, plugin: str = "core") -> str:
    """Return the one text that something declared becomes."""
    (script,) = declared_plugin(plugin, given).scripts
    return script.text


def in_a_circle() -> MetaData:
    """Two tables that refer to each other, with an enum that both use, an index and a comment."""
    metadata = MetaData()
    kind = Enum("one", "two", name="kind")
    Table("a", metadata, Column("id", Integer, primary_key=True), Column("kind", kind), Column("b_id", ForeignKey("b.id", name="to_b")))
    Table("b", metadata, Column("id", Integer, primary_key=True), Column("kind", kind), Column("a_id", ForeignKey("a.id", name="to_a")))
    Index("a_kind", metadata.tables["a"].c.kind)
    metadata.tables["b"].comment = "5 % of all"
    return metadata


def test_text_is_taken_as_it_is_but_for_line_ends() -> None:
    """A text is one script without a file; line ends and a byte order mark are not the author's."""
    assert declared_plugin("@org/plugin-core", "\ufeffSELECT 1;\r\nSELECT 2;\r") == DeclaredPlugin(
        plugin="@org/plugin-core", schema="core", scripts=(Script(text="SELECT 1;\nSELECT 2;\n"),)
    )


def test_files_are_read_in_the_order_of_their_names_and_anew_each_time(tmp_path: Path) -> None:
    """A folder is its .sql files by name, several paths are read in their order, and a change on disk is seen."""
    (tmp_path / "b.sql").write_bytes(b"\xef\xbb\xbfCREATE TABLE b ();\r\n")
    (tmp_path / "a.sql").write_text("CREATE TABLE a ();")
    (tmp_path / "notes.txt").write_text("nothing")
    a, b = (Script(text=f"CREATE TABLE {name} ();{end}", file=str(tmp_path / f"{name}.sql")) for name, end in (("a", ""), ("b", "\n")))
    assert declared_plugin("core", tmp_path).scripts == (a, b)
    assert declared_plugin("core", [tmp_path / "b.sql", tmp_path / "a.sql"]).scripts == (b, a)
    before = declared_plugin("core", tmp_path).fingerprint
    (tmp_path / "a.sql").write_text("CREATE TABLE a (id int);")
    assert declared_plugin("core", tmp_path).fingerprint != before


@pytest.mark.parametrize(
    ("data", "line", "said"),
    [
        (b"SELECT 1;\n\\connect x\n", 2, "connect"),
        (b"SELECT 1;\n-- caf\xe9", 2, "UTF-8"),
        (b"SELECT 1;\n\nSELECT '\0'", 3, "NUL"),
    ],
    ids=["psql", "latin-1", "nul"],
)
def test_a_file_that_no_server_could_take_is_named_with_its_line(tmp_path: Path, data: bytes, line: int, said: str) -> None:
    """Commands of psql, other encodings and NUL bytes are refused before a database is asked."""
    path = tmp_path / "tables.sql"
    path.write_bytes(data)
    with pytest.raises(InvalidSchema) as caught:
        declared_plugin("core", path)
    assert (caught.value.plugin, caught.value.file, caught.value.line) == ("core", str(path), line)
    assert said in caught.value.reason


@pytest.mark.parametrize(("text", "line"), [("a\n\0", 2), ("\n\n\\d", 3), ("\ud800", 1)], ids=["nul", "psql", "surrogate"])
def test_a_text_that_no_server_could_take_is_refused_with_its_line(text: str, line: int) -> None:
    """A text has no file, and its lines count all the same."""
    with pytest.raises(InvalidSchema) as caught:
        declared_plugin("core", text)
    assert (caught.value.file, caught.value.line) == (None, line)


@pytest.mark.parametrize("name", ["missing.sql", "missing", "empty"])
def test_what_is_missing_or_empty_is_named(tmp_path: Path, name: str) -> None:
    """A file or folder that is not there, and a folder without SQL, are no empty schemas."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidSchema, match=name):
        declared_plugin("core", tmp_path / name)


@pytest.mark.parametrize("given", [3, None, [3], object()], ids=["number", "none", "list", "object"])
def test_what_is_no_schema_is_refused(given: object) -> None:
    """The error names what it was given."""
    kind = type(given).__name__
    with pytest.raises(InvalidSchema, match=f"and not {kind}"):
        declared_plugin("core", given)


def test_metadata_is_written_down_with_all_that_it_makes() -> None:
    """Types come once, tables that refer to each other get their keys afterwards, and indexes and comments are there."""
    text = text_of(in_a_circle())
    for part in ("CREATE TYPE kind AS ENUM ('one', 'two')", "CREATE INDEX a_kind ON a (kind)", "COMMENT ON TABLE b IS '5 % of all'"):
        assert text.count(part) == 1
    assert max(text.index("CREATE TABLE a"), text.index("CREATE TABLE b")) < min(text.index("to_a"), text.index("to_b"))


def test_tables_of_another_schema_are_there_for_keys_alone() -> None:
    """A table that names another schema is another plugin's: it can be referred to, and is not made."""
    metadata = in_a_circle()
    Table("other", metadata, Column("id", Integer, primary_key=True), schema="shared")
    Table("mine", metadata, Column("id", ForeignKey("shared.other.id")), schema="core")
    text = text_of(metadata)
    assert "CREATE TABLE core.mine" in text
    assert "REFERENCES shared.other (id)" in text
    assert "CREATE TABLE shared.other" not in text


def test_metadata_for_another_schema_alone_is_refused() -> None:
    """Where no table is left, the schema was meant, and is to be said."""
    metadata = MetaData(schema="shared")
    Table("t", metadata, Column("id", Integer))
    with pytest.raises(InvalidSchema, match="schema='shared'"):
        declared_plugin("core", metadata)
    assert "CREATE TABLE shared.t" in text_of(DeclaredSchema(metadata, schema="shared"))


def test_metadata_that_can_not_be_written_down_is_refused() -> None:
    """A key that leads to no table is the declaration's fault."""
    metadata = MetaData()
    Table("t", metadata, Column("id", ForeignKey("nowhere.id")))
    with pytest.raises(InvalidSchema, match="nowhere"):
        declared_plugin("core", metadata)


def test_a_mapping_gives_its_tables_and_nothing_else() -> None:
    """Tables and mapped classes among the values stand for their whole MetaData, each once; other values are ignored."""

    class Base(DeclarativeBase):
        pass

    class Note(Base):
        __tablename__ = "notes"
        id: Mapped[int] = mapped_column(primary_key=True)

    metadata = in_a_circle()
    tables = {"a": metadata.tables["a"], "b": metadata.tables["b"], "note": Note, "version": 3, "relation": lambda: None, "no": None}
    text = text_of(tables)
    assert [text.count(f"CREATE TABLE {name} ") for name in ("a", "b", "notes")] == [1, 1, 1]
    assert text_of({"version": 3}) == ""


@pytest.mark.parametrize(
    "change",
    [
        lambda: declared_plugin("core", DeclaredSchema("CREATE TABLE a ()", schema="other")),
        lambda: declared_plugin("core", "CREATE TABLE a () "),
        lambda: declared_plugin("core", ""),
    ],
    ids=["schema", "text", "empty"],
)
def test_a_fingerprint_is_that_of_schema_and_texts(change: Callable[[], DeclaredPlugin]) -> None:
    """Another schema or text has another fingerprint; line ends, files' names and hints that are used up have not."""
    given = declared_plugin("core", "CREATE TABLE a ()")
    assert given.fingerprint.startswith("schema:")
    assert change().fingerprint != given.fingerprint
    same = declared_plugin("core", DeclaredSchema("CREATE TABLE a ()", renames={"old": "a"}))
    assert same.fingerprint == given.fingerprint
    assert same.renames == (("old", "a"),)


def test_where_one_text_ends_counts() -> None:
    """Two texts and the same in one are told apart, as an error would name another place."""
    one, two = (
        DeclaredPlugin(plugin="p", schema="p", scripts=tuple(Script(text=text) for text in texts)) for texts in (("ab",), ("a", "b"))
    )
    assert one.fingerprint != two.fingerprint


@pytest.mark.parametrize("name", ["", "pg_x", "information_schema", "roost", "ä" * 32, "a\0b"])
def test_a_schema_that_is_named_is_one_that_a_plugin_may_have(name: str) -> None:
    """The server's own schemas and roost's are refused, and so are names that PostgreSQL would cut or can't take."""
    with pytest.raises(InvalidSchemaName):
        declared_plugin("core", DeclaredSchema("", schema=name))


def test_public_may_be_named() -> None:
    """Whoever says so gets it."""
    declared = declared_plugin("core", DeclaredSchema("", schema="public"))
    assert (declared.schema, declared.is_named) == ("public", True)


def test_metadata_without_the_library_that_reads_it_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where SQLAlchemy is not installed, what is missing is one clear error that says what to install."""
    table = Table("notes", MetaData(), Column("id", Integer))
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(SchemaExtraMissing, match="SQLAlchemy") as caught:
        declared_plugin("core", DeclaredSchema(table.metadata))
    assert "pip install" in caught.value.hint
