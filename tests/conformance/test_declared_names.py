"""Sections D8 and D9: what gets another name, and what plugins call their own."""

from __future__ import annotations

import pytest

from roost import DatabaseMigrationService
from roost.errors import InvalidSchemaName, SchemaNameCollision
from roost.schema import DeclaredSchema, check_schema_names, declared_plugin, derive_schema_name
from tests.plugins.build import execute, query
from tests.plugins.declared import APP, apply, ask, blocked, bring_about, columns, dump, fill, foreign_keys, indexes, rows_of, tables
from tests.plugins.fix_postgres import MakeDatabase

OLD = "CREATE TABLE items (id int PRIMARY KEY, old_name text NOT NULL);"
NEW = "CREATE TABLE items (id int PRIMARY KEY, new_name text NOT NULL);"
RENAMES = {"items.old_name": "items.new_name"}
NUMBER = "SELECT attnum FROM pg_attribute WHERE attrelid = 'app.items'::regclass AND attname = $1"

CORE = "".join(f"CREATE TABLE core_{number} (id int PRIMARY KEY, before int REFERENCES core_{max(number - 1, 0)});" for number in range(12))
MARKETS = """
CREATE TABLE markets (id int PRIMARY KEY, slug text NOT NULL UNIQUE);
CREATE TABLE tokens (id int PRIMARY KEY, market_id int NOT NULL REFERENCES markets ON DELETE CASCADE);
CREATE TABLE prices (id int PRIMARY KEY, token_id int NOT NULL REFERENCES tokens ON DELETE CASCADE, price numeric(10, 4));
CREATE TABLE orders (id int PRIMARY KEY, token_id int REFERENCES tokens, size numeric);
CREATE TABLE syncs (id int PRIMARY KEY, at timestamptz DEFAULT now());
CREATE INDEX prices_by_token ON prices (token_id);
CREATE INDEX orders_by_size ON orders (size DESC);
"""
FOREIGN = """
CREATE TABLE public.custom_analytics (id int PRIMARY KEY, event text);
CREATE INDEX custom_by_event ON public.custom_analytics (event);
INSERT INTO public.custom_analytics VALUES (1, 'login');
CREATE TABLE public.other_plugin_data (id serial PRIMARY KEY, data jsonb)
"""


@pytest.mark.asyncio
async def test_RN_01_what_looks_like_a_rename(database_url: str) -> None:
    """RN-01: a column with another name and no hint is a loss, and the message tells of the hint that keeps it."""
    await apply(database_url, OLD)
    await fill(database_url, "INSERT INTO items VALUES (1, 'keep')")
    error = await blocked(database_url, NEW, "items.old_name")
    assert error.renames == (("items.old_name", "items.new_name"),)
    assert "renames={'items.old_name': 'items.new_name'}" in str(error)
    assert await rows_of(database_url, "items", "old_name") == ["keep"]


@pytest.mark.asyncio
async def test_RN_02_a_rename_by_hint(new_database: MakeDatabase) -> None:
    """RN-02: with the hint it is the same column under the new name; the hint may stay or go."""
    url, alone = await new_database(), await new_database()
    await apply(url, OLD)
    await fill(url, "INSERT INTO items VALUES (1, 'keep')")
    (number,) = await query(url, NUMBER, "old_name")
    await apply(url, DeclaredSchema(NEW, renames=RENAMES))
    assert await query(url, NUMBER, "new_name") == [number]
    assert await rows_of(url, "items", "id", "new_name") == [(1, "keep")]
    await apply(alone, NEW)
    assert await dump(url) == await dump(alone)
    for declared in (DeclaredSchema(NEW, renames=RENAMES), NEW):
        assert (await apply(url, declared)).run_id is None


@pytest.mark.asyncio
async def test_a_table_is_renamed_by_hint(new_database: MakeDatabase) -> None:
    """A table with its key, its numbers, its index and what references it gets another name, and so do its columns, in one change."""
    old = """
        CREATE TABLE people (id serial PRIMARY KEY, nick text NOT NULL CHECK (nick <> ''), team int);
        CREATE INDEX by_nick ON people (nick);
        CREATE TABLE pets (id int PRIMARY KEY, owner int NOT NULL REFERENCES people);
        CREATE VIEW named AS SELECT nick FROM people;
    """
    new = """
        CREATE TABLE users (id serial PRIMARY KEY, name text NOT NULL CHECK (name <> ''), team int DEFAULT 1);
        CREATE INDEX by_name ON users (name);
        CREATE TABLE pets (id int PRIMARY KEY, owner int NOT NULL REFERENCES users);
        CREATE VIEW named AS SELECT name FROM users;
    """
    url, alone = await new_database(), await new_database()
    await apply(url, old)
    await fill(url, "INSERT INTO people (nick) VALUES ('Ada'), ('Bob'); INSERT INTO pets VALUES (1, 2)")
    await apply(url, DeclaredSchema(new, renames={"people": "users", "people.nick": "users.name"}))
    assert await rows_of(url, "users", "id", "name") == [(1, "Ada"), (2, "Bob")]
    assert await rows_of(url, "pets", "id", "owner") == [(1, 2)]
    await apply(alone, new)
    assert await dump(url) == await dump(alone)
    assert (await apply(url, new)).run_id is None


def test_NS_01_names_of_schemas() -> None:
    """NS-01: a plugin's name gives its schema's; what collides, is reserved or too long is refused, naming who it is."""
    derived = {
        "@MyOrg/plugin-MyPlugin": "myplugin",
        "123plugin": "p_123plugin",
        "@org/plugin.name!": "plugin_name",
        "@org/plugin-public": "plugin_org_plugin_public",
        "memory": "memory",
    }
    assert {name: derive_schema_name(name) for name in derived} == derived
    assert {name: DatabaseMigrationService.derive_schema_name(name) for name in derived} == derived
    one, other = (declared_plugin(name, "CREATE TABLE t (id int)") for name in ("@one/plugin-memory", "@two/memory"))
    with pytest.raises(SchemaNameCollision) as collision:
        check_schema_names([one, other])
    assert (collision.value.name, collision.value.plugins) == ("memory", ("@one/plugin-memory", "@two/memory"))
    assert "@one/plugin-memory" in str(collision.value)
    assert "@two/memory" in str(collision.value)
    check_schema_names([declared_plugin(name, DeclaredSchema("", schema="public")) for name in ("one", "other")])
    with pytest.raises(InvalidSchemaName, match="plugin-" + "x" * 64):
        derive_schema_name("plugin-" + "x" * 64)
    for name in ("pg_mine", "x" * 64, "ü" * 32):
        with pytest.raises(InvalidSchemaName, match="Plugin mine "):
            declared_plugin("mine", DeclaredSchema("", schema=name))


@pytest.mark.asyncio
async def test_NS_04_one_in_public_and_one_of_its_own(database_url: str) -> None:
    """NS-04: core has its tables in public and another plugin in a schema of its own, with keys and indexes, and none of them in public."""
    await bring_about(database_url, {"core": DeclaredSchema(CORE, schema="public"), "@market/plugin-polymarket": MARKETS})
    assert await tables(database_url, schema="public") == sorted(f"core_{number}" for number in range(12))
    assert await tables(database_url, schema="polymarket") == ["markets", "orders", "prices", "syncs", "tokens"]
    assert set(await foreign_keys(database_url, schema="polymarket")) == {
        *("orders_token_id_fkey", "prices_token_id_fkey", "tokens_market_id_fkey"),
    }
    assert {"markets_slug_key", "orders_by_size", "prices_by_token"} < set(await indexes(database_url, schema="polymarket"))
    assert len(await foreign_keys(database_url, schema="public")) == 12
    assert sorted(await indexes(database_url, schema="public")) == sorted(f"core_{number}_pkey" for number in range(12))


@pytest.mark.asyncio
async def test_NS_05_what_is_nobodys_is_left_alone(database_url: str) -> None:
    """NS-05: tables that core does not declare stay as they are beside its own, whatever core changes."""
    await execute(database_url, FOREIGN)
    alien = "SELECT oid, relname::text, relfilenode FROM pg_class WHERE relname ~ '^(custom|other)_' ORDER BY relname"
    before = await query(database_url, alien)
    assert len(before) == 6
    first, second = "CREATE TABLE core (id int PRIMARY KEY);", "CREATE TABLE core (id int PRIMARY KEY, name text);"
    for declared in (first, second, "CREATE TABLE other (id int);"):
        await bring_about(database_url, {"core": DeclaredSchema(declared, schema="public")}, allow={"core"})
        assert await query(database_url, alien) == before
    assert await tables(database_url, schema="public") == ["custom_analytics", "other", "other_plugin_data"]
    assert await rows_of(database_url, "custom_analytics", "id", "event", schema="public") == [(1, "login")]


@pytest.mark.asyncio
async def test_NS_07_names_that_are_words_of_sql(database_url: str) -> None:
    """NS-07: tables and columns may be called by words of SQL, when they are made and when they are changed."""
    orders = 'CREATE TABLE "order" (id int PRIMARY KEY, "select" text, "user" text{more});'
    await apply(database_url, orders.format(more="") + 'CREATE TABLE "group" (id int PRIMARY KEY);')
    await fill(database_url, """INSERT INTO "order" VALUES (1, 's', 'u')""")
    await apply(
        database_url,
        orders.format(more=', "group" int REFERENCES "group"') + 'CREATE TABLE "group" (id int PRIMARY KEY, "end" text DEFAULT \'e\');',
    )
    assert await tables(database_url) == ["group", "order"]
    assert [name for name, *_ in await columns(database_url, "order")] == ["id", "select", "user", "group"]
    assert await ask(database_url, """SELECT id, "select", "user", "group" FROM "order" """, schema=APP) == [(1, "s", "u", None)]
