"""Section D1: what a plugin declares is made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table

from tests.plugins.build import execute, query, residue
from tests.plugins.declared import APP, apply, bring_about, changes, columns, dump, fill, foreign_keys, indexes, refused, tables
from tests.plugins.fix_postgres import MakeDatabase

BASE = """
CREATE TABLE base (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    active bool NOT NULL DEFAULT true,
    metadata jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX base_active ON base (active);
"""

DEPENDENT = """
CREATE TABLE dep (
    id serial PRIMARY KEY,
    base_id uuid NOT NULL REFERENCES base ON DELETE CASCADE,
    type text NOT NULL,
    value int DEFAULT 0,
    UNIQUE (base_id, type),
    CHECK (value >= 0)
);
CREATE INDEX dep_type ON dep (type);
"""

TYPES = {
    "varchar(255)": "character varying(255)",
    "text": "text",
    "int": "integer",
    "numeric(10,2)": "numeric(10,2)",
    "real": "real",
    "double precision": "double precision",
    "bool": "boolean",
    "jsonb": "jsonb",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "date": "date",
    "time": "time without time zone",
    "text[]": "text[]",
    "uuid": "uuid",
    "bytea": "bytea",
    "bigint": "bigint",
    "smallint": "smallint",
}


@pytest.mark.asyncio
async def test_DC_01_a_table_with_defaults_and_an_index(database_url: str) -> None:
    """DC-01: the catalogue says of the table what was declared, no more and no less."""
    report = await apply(database_url, BASE)
    assert [(step.plugin, step.direction) for step in report.steps] == [(APP, "up")]
    assert await columns(database_url, "base") == [
        ("id", "uuid", True, "gen_random_uuid()"),
        ("name", "text", True, None),
        ("created_at", "timestamp with time zone", True, "now()"),
        ("active", "boolean", True, "true"),
        ("metadata", "jsonb", True, "'{}'::jsonb"),
    ]
    assert await indexes(database_url) == {
        "base_active": "CREATE INDEX base_active ON app.base USING btree (active)",
        "base_name_key": "CREATE UNIQUE INDEX base_name_key ON app.base USING btree (name)",
        "base_pkey": "CREATE UNIQUE INDEX base_pkey ON app.base USING btree (id)",
    }
    assert await tables(database_url) == ["base"]
    assert await changes(database_url) == 1
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_DC_02_all_types(database_url: str) -> None:
    """DC-02: each type is what the server calls it."""
    names = [f"c{number}" for number in range(len(TYPES))]
    await apply(database_url, f"CREATE TABLE typed ({', '.join(f'{name} {kind}' for name, kind in zip(names, TYPES, strict=True))})")
    assert await columns(database_url, "typed") == [(name, kind, False, None) for name, kind in zip(names, TYPES.values(), strict=True)]


@pytest.mark.asyncio
async def test_DC_03_a_child_before_its_parent(database_url: str) -> None:
    """DC-03: a child declared before its parent is made with all its constraints, and the server holds to them."""
    await apply(database_url, DEPENDENT + BASE)
    assert await tables(database_url) == ["base", "dep"]
    assert await foreign_keys(database_url) == {
        "dep_base_id_fkey": "FOREIGN KEY (base_id) REFERENCES app.base(id) ON DELETE CASCADE",
    }
    assert sorted(await indexes(database_url)) == [
        "base_active",
        "base_name_key",
        "base_pkey",
        "dep_base_id_type_key",
        "dep_pkey",
        "dep_type",
    ]
    parent = "(SELECT id FROM base)"
    await fill(database_url, f"INSERT INTO base (name) VALUES ('one'); INSERT INTO dep (base_id, type) VALUES ({parent}, 'a')")
    await refused(database_url, "23503", "INSERT INTO dep (base_id, type) VALUES (gen_random_uuid(), 'b')")
    await refused(database_url, "23505", f"INSERT INTO dep (base_id, type) VALUES ({parent}, 'a')")
    await refused(database_url, "23514", f"INSERT INTO dep (base_id, type, value) VALUES ({parent}, 'c', -1)")
    assert await query(database_url, "SELECT type, value FROM app.dep") == [("a", 0)]


@pytest.mark.asyncio
async def test_DC_04_foreign_keys_in_a_circle(database_url: str) -> None:
    """DC-04: two tables that reference each other, and one that references itself, are made with all their keys."""
    circle = """
        CREATE TABLE a (id int PRIMARY KEY, b_id int REFERENCES b);
        CREATE TABLE b (id int PRIMARY KEY, a_id int REFERENCES a (id));
        CREATE TABLE tree (id int PRIMARY KEY, parent_id int REFERENCES tree ON DELETE SET NULL);
    """
    await apply(database_url, circle)
    assert await foreign_keys(database_url) == {
        "a_b_id_fkey": "FOREIGN KEY (b_id) REFERENCES app.b(id)",
        "b_a_id_fkey": "FOREIGN KEY (a_id) REFERENCES app.a(id)",
        "tree_parent_id_fkey": "FOREIGN KEY (parent_id) REFERENCES app.tree(id) ON DELETE SET NULL",
    }


@pytest.mark.asyncio
async def test_DC_05_an_empty_schema(database_url: str) -> None:
    """DC-05: an empty declaration is brought about twice without an error, and the history has one row."""
    await apply(database_url, "")
    again = await apply(database_url, "")
    assert (again.steps, again.run_id) == ((), None)
    assert await tables(database_url) == []
    assert await changes(database_url) == 1


@pytest.mark.asyncio
async def test_DC_06_values_that_are_no_tables(database_url: str) -> None:
    """DC-06: of a mapping the tables are made, each with the others of its metadata, and what is no table is ignored."""
    metadata = MetaData()
    users = Table("users", metadata, Column("id", Integer, primary_key=True), Column("name", String(40), nullable=False))
    await apply(database_url, {"users": users, "version": 3, "nothing": None, "relations": ["users"], "helper": len})
    assert await tables(database_url) == ["users"]
    assert [(name, kind, required) for name, kind, required, _ in await columns(database_url, "users")] == [
        ("id", "integer", True),
        ("name", "character varying(40)", True),
    ]


async def _in_a_schema_of_its_own(url: str) -> None:
    await execute(url, "CREATE SCHEMA extensions")
    for name in ("citext", "hstore", "pg_trgm"):
        await execute(url, f"CREATE EXTENSION {name} SCHEMA extensions")


async def _in_public(url: str) -> None:
    for name in ("citext", "hstore", "pg_trgm"):
        await execute(url, f"CREATE EXTENSION {name} SCHEMA public")


@pytest.mark.asyncio
async def test_DC_13_types_of_an_extension(new_database: MakeDatabase) -> None:
    """DC-13: types, operators and classes of an extension work, whichever schema it is installed in."""
    declared = """
        CREATE TABLE users (id int PRIMARY KEY, email citext UNIQUE, settings hstore DEFAULT 'theme=>dark', name text);
        CREATE INDEX users_named ON users USING gin (name gin_trgm_ops);
        CREATE INDEX users_set ON users USING gin (settings);
        CREATE VIEW dark AS SELECT id FROM users WHERE settings -> 'theme' = 'dark' AND email = 'ROOT@x';
    """
    installs: dict[str, Callable[[str], Awaitable[None]]] = {"extensions": _in_a_schema_of_its_own, "public": _in_public}
    for place, install in installs.items():
        url = await new_database()
        await install(url)
        await bring_about(url, {APP: declared})
        assert [kind.removeprefix(f"{place}.") for _, kind, _, _ in await columns(url, "users")] == ["integer", "citext", "hstore", "text"]
        await fill(url, "INSERT INTO users (id, email) VALUES (1, 'root@X')", schema=APP)
        assert await query(url, "SELECT id FROM app.dark") == [1]
        assert sorted(await indexes(url)) == ["users_email_key", "users_named", "users_pkey", "users_set"]
        assert all("EXTENSION" not in part for part in await dump(url))
