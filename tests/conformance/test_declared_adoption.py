"""Section D10: tables that were there before anybody declared them."""

from __future__ import annotations

import pytest

from roost import DatabaseMigrationService
from roost.schema import DeclaredSchema
from tests.plugins.build import execute, query, residue
from tests.plugins.declared import bring_about, changes, columns, declaring, dump, foreign_keys, rows_of, tables

PUBLIC = "public"
CORE = "core"

ACCOUNTS = (
    "CREATE TABLE accounts (id serial PRIMARY KEY, username text UNIQUE NOT NULL, email text UNIQUE NOT NULL, created_at timestamp{more})"
)
OBJECTS = """
SELECT c.oid, relname::text, relfilenode FROM pg_class AS c WHERE relnamespace = 'public'::regnamespace
UNION ALL
SELECT oid, conname::text, conindid FROM pg_constraint WHERE connamespace = 'public'::regnamespace
ORDER BY 1
"""


async def adopt(url: str, declared: str) -> None:
    """Bring about what core declares in public, where the tables are already."""
    await bring_about(url, {CORE: DeclaredSchema(declared, schema=PUBLIC)})


@pytest.mark.asyncio
async def test_IN_01_a_table_gets_a_column(database_url: str) -> None:
    """IN-01: a table made by hand gets the column that it lacks, and nothing else is altered; the history knows how it was found."""
    await execute(database_url, f"{ACCOUNTS.format(more='')}; INSERT INTO accounts (username, email) VALUES ('a', 'a@x')")
    before = await query(database_url, OBJECTS)
    wider = ACCOUNTS.format(more=", updated_at timestamp")
    await adopt(database_url, wider)
    assert [(name, kind) for name, kind, *_ in await columns(database_url, "accounts", schema=PUBLIC)] == [
        ("id", "integer"),
        ("username", "text"),
        ("email", "text"),
        ("created_at", "timestamp without time zone"),
        ("updated_at", "timestamp without time zone"),
    ]
    assert await query(database_url, OBJECTS) == before
    service = declaring(database_url, {CORE: DeclaredSchema(wider, schema=PUBLIC)}).get_service(DatabaseMigrationService)
    status = await service.get_status(CORE)
    assert (status.has_run, status.snapshots, status.drift) == (True, 2, ())
    assert await changes(database_url, CORE) == 2
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_IN_02_a_table_and_new_ones_that_reference_it(database_url: str) -> None:
    """IN-02: users exists; it gets its column, and profiles and sessions come and reference it."""
    await execute(database_url, "CREATE TABLE users (id serial PRIMARY KEY, name text); INSERT INTO users (name) VALUES ('Ada')")
    await adopt(
        database_url,
        """
        CREATE TABLE sessions (id uuid PRIMARY KEY, user_id int NOT NULL REFERENCES users ON DELETE CASCADE);
        CREATE TABLE profiles (user_id int PRIMARY KEY REFERENCES users, bio text);
        CREATE TABLE users (id serial PRIMARY KEY, name text, created_at timestamptz NOT NULL DEFAULT now());
        """,
    )
    assert await tables(database_url, schema=PUBLIC) == ["profiles", "sessions", "users"]
    assert sorted(await foreign_keys(database_url, schema=PUBLIC)) == ["profiles_user_id_fkey", "sessions_user_id_fkey"]
    assert await rows_of(database_url, "users", "id", "name", schema=PUBLIC) == [(1, "Ada")]


@pytest.mark.asyncio
async def test_IN_03_adopted_once(database_url: str) -> None:
    """IN-03: three runs over a table with rows note once how it was found, and add its column once."""
    products = "CREATE TABLE products (id int PRIMARY KEY, name text NOT NULL, price numeric(10, 2){more})"
    await execute(database_url, f"{products.format(more='')}; INSERT INTO products VALUES (1, 'a', 1.5), (2, 'b', 2)")
    for _ in range(3):
        await adopt(database_url, products.format(more=", category text"))
    assert [name for name, *_ in await columns(database_url, "products", schema=PUBLIC)] == ["id", "name", "price", "category"]
    assert await rows_of(database_url, "products", "id", "name", "category", schema=PUBLIC) == [(1, "a", None), (2, "b", None)]
    assert await changes(database_url, CORE) == 2


@pytest.mark.asyncio
async def test_IN_04_a_table_gets_three_columns(database_url: str) -> None:
    """IN-04: participants with two rows gets three columns, and the rows stay."""
    participants = "CREATE TABLE participants (id int PRIMARY KEY, room int{more})"
    await execute(database_url, f"{participants.format(more='')}; INSERT INTO participants VALUES (1, 7), (2, 8)")
    await adopt(database_url, participants.format(more=", role text NOT NULL DEFAULT 'guest', muted bool, joined_at timestamptz"))
    assert await rows_of(database_url, "participants", "id", "room", "role", "muted", schema=PUBLIC) == [
        (1, 7, "guest", None),
        (2, 8, "guest", None),
    ]
    assert len(await columns(database_url, "participants", schema=PUBLIC)) == 5


@pytest.mark.asyncio
async def test_IN_05_what_is_made_by_hand_stays_so(database_url: str) -> None:
    """IN-05: a table made by hand in the plugin's schema is neither dropped nor recorded, before and after the plugin's first run."""
    first, second = "CREATE TABLE own (id int PRIMARY KEY);", "CREATE TABLE own (id int PRIMARY KEY, name text);"
    await execute(database_url, "CREATE SCHEMA tool; CREATE TABLE tool.manual_table (id int PRIMARY KEY, note text)")
    manual = [part for part in await dump(database_url, schema="tool") if "manual_table" in part]
    await bring_about(database_url, {"tool": first})
    await execute(database_url, "CREATE TABLE tool.manual_later (id int); INSERT INTO tool.manual_table VALUES (1, 'by hand')")
    await bring_about(database_url, {"tool": second})
    assert await tables(database_url, schema="tool") == ["manual_later", "manual_table", "own"]
    assert [part for part in await dump(database_url, schema="tool") if "manual_table" in part] == manual
    assert await rows_of(database_url, "manual_table", "id", "note", schema="tool") == [(1, "by hand")]
    assert await query(database_url, "SELECT count(*) FROM roost.snapshot WHERE objects::text LIKE '%manual%'") == [0]
    assert await query(database_url, "SELECT count(*) FROM roost.snapshot WHERE objects::text LIKE '%own%'") == [2]
