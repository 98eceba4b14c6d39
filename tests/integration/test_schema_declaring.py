"""Declarations in a scratch database: in whatever order they are written, and each by itself where one fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from roost.errors import InvalidSchema
from roost.postgres import parse_url, sqlstate_of
from roost.schema import Declared, DeclaredPlugin, DeclaredSchema, Script, declare, declared_plugin, scratch_database
from tests.plugins.build import execute


async def declared_in(url: str, *plugins: DeclaredPlugin) -> Declared:
    """Declare plugins in a scratch database of their own."""
    async with scratch_database(parse_url(url), run=1) as scratch:
        return await declare(scratch, plugins)


async def refused(url: str, *texts: str) -> InvalidSchema:
    """Return the error of a declaration in files that are called 1.sql, 2.sql and so on."""
    scripts = tuple(Script(text=text, file=f"{number}.sql") for number, text in enumerate(texts, 1))
    declared = await declared_in(url, DeclaredPlugin(plugin="core", schema="core", scripts=scripts))
    error = declared.failed["core"]
    assert declared.objects == {}
    assert isinstance(error, InvalidSchema)
    return error


def names(declared: Declared, plugin: str, kind: str) -> list[str]:
    """Return the names of a plugin's objects of a kind."""
    return [one.name for one in declared.objects[plugin] if one.kind == kind]


@pytest.mark.asyncio
async def test_children_may_stand_before_their_parents(database_url: str) -> None:
    """Tables, types, functions and views may come in any order, and the result is that of the right one."""
    parts = [
        "CREATE VIEW seen AS SELECT id, f(id) FROM child",
        "CREATE INDEX child_parent ON child (parent_id)",
        "CREATE TABLE child (id int PRIMARY KEY, parent_id int REFERENCES parent ON DELETE CASCADE, kind kind DEFAULT 'a')",
        "CREATE TABLE parent (id int PRIMARY KEY)",
        "CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT $1 + count(*)::int FROM child'",
        "CREATE TYPE kind AS ENUM ('a', 'b')",
    ]
    some = await declared_in(database_url, declared_plugin("core", ";\n".join(parts)))
    other = await declared_in(database_url, declared_plugin("core", ";\n".join(reversed(parts))))
    assert some.failed == other.failed == {}
    assert some.objects == other.objects
    assert names(some, "core", "table") == ["child", "parent"]


@pytest.mark.asyncio
async def test_tables_may_refer_to_each_other(database_url: str) -> None:
    """Keys in a circle and to the table itself are there when all is made, with all that they say."""
    sql = """
    CREATE TABLE a (id int PRIMARY KEY, b_id int REFERENCES b ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED, parent_id int REFERENCES a);
    CREATE TABLE b (id int PRIMARY KEY, a_id int NOT NULL CONSTRAINT to_a REFERENCES a (id), FOREIGN KEY (a_id) REFERENCES a MATCH FULL);
    """
    declared = await declared_in(database_url, declared_plugin("core", sql))
    keys = {one.name: one.definition for one in declared.objects["core"] if one.kind == "constraint" and "FOREIGN" in one.definition}
    assert keys == {
        "a_b_id_fkey": "FOREIGN KEY (b_id) REFERENCES core.b(id) ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED",
        "a_parent_id_fkey": "FOREIGN KEY (parent_id) REFERENCES core.a(id)",
        "b_a_id_fkey": "FOREIGN KEY (a_id) REFERENCES core.a(id) MATCH FULL",
        "to_a": "FOREIGN KEY (a_id) REFERENCES core.a(id)",
    }


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("texts", "file", "line", "state"),
    [
        (("CREATE TABLE a (id int);", "-- one\n\nCREATE TABLE b (\n  id int,\n  oops oops oops\n);"), "2.sql", 5, "42601"),
        (("CREATE TABLE a (id int);\n\nCREATE TABLE b (n int,\n  CHECK (nope > 1));",), "1.sql", 4, "42703"),
        (("CREATE TABLE a (id int REFERENCES b);\nCREATE TABLE c (id int);",), "1.sql", 1, "42P01"),
        (("CREATE TABLE a ();", "\nCREATE TABLE a ();"), "2.sql", 2, "42P07"),
        (("CREATE TABLE a (\n  -- ä\n  id nothing)",), "1.sql", 3, "42704"),
        (("CREATE VIEW v AS\nSELECT 1/0 FROM nowhere;",), "1.sql", 2, "42P01"),
    ],
    ids=["syntax", "column", "table", "twice", "type", "view"],
)
async def test_what_the_server_refuses_is_named_with_file_and_line(
    database_url: str, texts: tuple[str, ...], file: str, line: int, state: str
) -> None:
    """The server's own error is the cause, and so its SQLSTATE can be asked for."""
    error = await refused(database_url, *texts)
    assert (error.file, error.line) == (file, line)
    assert error.__cause__ is not None
    assert sqlstate_of(error.__cause__) == state


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("sql", "line"),
    [
        ("CREATE TABLE a (id int);\nINSERT INTO a VALUES (1);", 2),
        ("CREATE TABLE a (id int);\nCOMMIT;", 2),
        ("\nGRANT ALL ON SCHEMA core TO PUBLIC", 2),
        ("\n\nCREATE TABLE public.a (id int)", 3),
    ],
    ids=["data", "transaction", "privileges", "outside"],
)
async def test_what_is_no_declaration_is_refused_with_its_line(database_url: str, sql: str, line: int) -> None:
    """Nothing of it is run."""
    error = await refused(database_url, sql)
    assert (error.file, error.line, error.__cause__) == ("1.sql", line, None)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "sql",
    [
        "COMMENT ON SCHEMA public IS 'x'; COMMENT ON TABLE other.t IS 'x'",
        "ALTER FUNCTION other.f() STABLE",
    ],
    ids=["comment", "function"],
)
async def test_what_reaches_out_unseen_is_caught_afterwards(database_url: str, sql: str) -> None:
    """Whatever a statement looks like: when another schema's objects are not as before, the plugin fails, and the other one stays whole."""
    other = declared_plugin("other", "CREATE TABLE t (); CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    alone = await declared_in(database_url, other)
    declared = await declared_in(database_url, other, declared_plugin("core", sql))
    assert declared.objects == alone.objects
    assert "other" in str(declared.failed["core"])


@pytest.mark.asyncio
async def test_a_view_of_a_materialized_view_is_refused(database_url: str) -> None:
    """No comparison knows in which order these are made."""
    error = await refused(database_url, "CREATE MATERIALIZED VIEW m AS SELECT 1 AS a; CREATE VIEW v AS SELECT a FROM m")
    assert "materialized view m" in error.reason


@pytest.mark.asyncio
async def test_a_plugin_that_fails_leaves_nothing_and_the_others_whole(database_url: str) -> None:
    """Those before and behind it are declared; what it had made is gone, and others can have its names."""
    plugins = [
        declared_plugin("one", "CREATE TABLE t (id int)"),
        declared_plugin("bad", "CREATE TABLE ok_1 (id int); CREATE TABLE bad (id int CHECK (nope > 1))"),
        declared_plugin("two", "CREATE TABLE t (id int)"),
    ]
    declared = await declared_in(database_url, *plugins)
    assert list(declared.objects) == ["one", "two"]
    assert list(declared.failed) == ["bad"]
    assert {one.schema for objects in declared.objects.values() for one in objects} == {"one", "two"}


@pytest.mark.asyncio
async def test_a_plugin_may_refer_to_one_that_comes_later(database_url: str) -> None:
    """It is tried again when the others are there; what nobody makes stays missing."""
    plugins = [
        declared_plugin("first", "CREATE TABLE t (id int REFERENCES second.t)"),
        declared_plugin("second", "CREATE TABLE t (id int PRIMARY KEY)"),
        declared_plugin("third", "CREATE TABLE t (id int REFERENCES fourth.t)"),
    ]
    declared = await declared_in(database_url, *plugins)
    assert list(declared.objects) == ["first", "second"]
    assert list(declared.failed) == ["third"]


@pytest.mark.asyncio
async def test_plugins_that_share_a_schema_have_each_their_own(database_url: str) -> None:
    """What one adds to the other's table is its own, and the other's table is told as it is in the end."""
    plugins = [
        declared_plugin("a", DeclaredSchema("CREATE TABLE t (id int)", schema="public")),
        declared_plugin(
            "b", DeclaredSchema("CREATE TABLE u (id int); CREATE INDEX t_id ON t (id); COMMENT ON TABLE t IS 'x'", schema="public")
        ),
    ]
    declared = await declared_in(database_url, *plugins)
    assert [(one.kind, one.name) for one in declared.objects["a"]] == [("column", "id"), ("schema", "public"), ("table", "t")]
    assert [(one.kind, one.parent, one.name) for one in declared.objects["b"]] == [
        ("column", "u", "id"),
        ("index", "t", "t_id"),
        ("schema", "", "public"),
        ("table", "", "u"),
    ]
    assert "COMMENT 'x'" in declared.objects["a"][-1].definition


@pytest.mark.asyncio
async def test_a_schema_that_holds_nothing_is_declared(database_url: str) -> None:
    """An empty text is a schema without tables, and so are comments alone."""
    declared = await declared_in(database_url, declared_plugin("a", ""), declared_plugin("b", "-- nothing yet\n"))
    assert {plugin: [one.kind for one in objects] for plugin, objects in declared.objects.items()} == {"a": ["schema"], "b": ["schema"]}


@pytest.mark.asyncio
async def test_files_of_other_systems_are_read(database_url: str, tmp_path: Path) -> None:
    """A byte order mark and line ends of Windows make no difference, neither to the tables nor to the lines that errors name."""
    (tmp_path / "1.sql").write_bytes("\ufeffCREATE TABLE a (\r\n  id int\r\n);\r\n".encode())
    declared = await declared_in(database_url, declared_plugin("core", tmp_path))
    assert names(declared, "core", "table") == ["a"]
    (tmp_path / "2.sql").write_bytes(b"CREATE TABLE b (\r\n  id int,\r\n  oops oops\r\n);\r\n")
    error = (await declared_in(database_url, declared_plugin("core", tmp_path))).failed["core"]
    assert isinstance(error, InvalidSchema)
    assert (error.file, error.line) == (str(tmp_path / "2.sql"), 3)


@pytest.mark.asyncio
async def test_a_text_that_nests_too_deep_is_refused_and_not_run(database_url: str) -> None:
    """The server could read it, and what nobody can look into is not run."""
    error = await refused(database_url, f"CREATE TABLE a (id int CHECK (0 < {'-(1 + ' * 200}id{')' * 200}))")
    assert "too deep" in error.reason


@pytest.mark.asyncio
async def test_an_extension_that_the_scratch_could_not_get_is_told(database_url: str) -> None:
    """Where a type is missing because of that, the error says why the extension is not there."""
    await execute(database_url, "CREATE EXTENSION citext")
    async with scratch_database(parse_url(database_url), run=1) as scratch:
        await scratch.session.execute("DROP EXTENSION citext")
        scratch.lacking["citext"] = "permission denied"
        declared = await declare(scratch, [declared_plugin("core", "CREATE TABLE t (name citext)")])
    assert "citext: permission denied" in str(declared.failed["core"])
