"""Sections D2 and D3: columns and tables that join, and those that go."""

from __future__ import annotations

import pytest

from tests.plugins.build import residue
from tests.plugins.catalogue import catalogue_of
from tests.plugins.declared import apply, ask, blocked, changes, check, columns, dump, failure, fill, foreign_keys, rows_of, tables
from tests.plugins.fix_postgres import MakeDatabase

AGENTS = "CREATE TABLE agents (id int PRIMARY KEY, name text NOT NULL, enabled bool DEFAULT true{more});"
TWO_AGENTS = "INSERT INTO agents (id, name) VALUES (1, 'alpha'), (2, 'beta')"

NAMED = "CREATE TABLE agents (id int PRIMARY KEY, name text NOT NULL{more});"
USERNAME = ", username text"
MEMORIES = "CREATE TABLE memories (id int PRIMARY KEY, agent_id int REFERENCES agents, body text);"
ROBOTS = """
INSERT INTO agents VALUES (1, 'Alpha', 'alpha_bot'), (2, 'Beta', 'beta_bot');
INSERT INTO memories VALUES (1, 1, 'one'), (2, 2, 'two')
"""
BOTH_ROBOTS = [(1, "Alpha", "alpha_bot"), (2, "Beta", "beta_bot")]

WORLD = """
CREATE TABLE agents (id int PRIMARY KEY);
CREATE TABLE entities (id int PRIMARY KEY, agent_id int REFERENCES agents);
CREATE TABLE rooms (id int PRIMARY KEY);
"""
REMEMBERED = """
CREATE TABLE memories (
    id int PRIMARY KEY, agent_id int REFERENCES agents, entity_id int REFERENCES entities, room_id int REFERENCES rooms
);
CREATE INDEX memories_by_room ON memories (room_id);
"""


@pytest.mark.asyncio
async def test_AC_01_nullable_columns_join(database_url: str) -> None:
    """AC-01: nullable columns join without a warning; what was there keeps its values, and has NULL in the new ones."""
    await apply(database_url, AGENTS.format(more=""))
    await fill(database_url, TWO_AGENTS)
    wider = AGENTS.format(more=", description text, avatar text, tags text[], metadata jsonb")
    checked = await check(database_url, wider)
    assert (checked.has_data_loss, checked.losses, checked.warnings) == (False, (), ())
    await apply(database_url, wider)
    assert await rows_of(database_url, "agents") == [
        '{"id": 1, "name": "alpha", "tags": null, "avatar": null, "enabled": true, "metadata": null, "description": null}',
        '{"id": 2, "name": "beta", "tags": null, "avatar": null, "enabled": true, "metadata": null, "description": null}',
    ]


@pytest.mark.asyncio
async def test_AC_02_columns_with_defaults_join(database_url: str) -> None:
    """AC-02: NOT NULL columns with defaults join, and each row that was there has the defaults."""
    await apply(database_url, "CREATE TABLE entities (id int PRIMARY KEY, name text)")
    await fill(database_url, "INSERT INTO entities VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    wider = """CREATE TABLE entities (
        id int PRIMARY KEY, name text,
        enabled bool NOT NULL DEFAULT true,
        created_at timestamptz NOT NULL DEFAULT now(),
        priority int NOT NULL DEFAULT 0,
        status text NOT NULL DEFAULT 'active',
        settings jsonb NOT NULL DEFAULT '{}'
    )"""
    await apply(database_url, wider)
    what = "id, name, enabled, created_at <= now(), priority, status, settings::text"
    assert await ask(database_url, f"SELECT {what} FROM entities ORDER BY id") == [
        (1, "a", True, True, 0, "active", "{}"),
        (2, "b", True, True, 0, "active", "{}"),
        (3, "c", True, True, 0, "active", "{}"),
    ]
    assert [name for name, _, required, _ in await columns(database_url, "entities") if not required] == ["name"]


@pytest.mark.asyncio
async def test_AC_03_twelve_columns_at_once(database_url: str) -> None:
    """AC-03: twelve columns join in one change, which is one row of the history."""
    await apply(database_url, "CREATE TABLE wide (id int PRIMARY KEY)")
    await apply(database_url, f"CREATE TABLE wide (id int PRIMARY KEY, {', '.join(f'c{number} text' for number in range(12))})")
    assert {name for name, *_ in await columns(database_url, "wide")} == {"id", *(f"c{number}" for number in range(12))}
    assert await changes(database_url) == 2


@pytest.mark.asyncio
async def test_AC_04_computed_defaults(database_url: str) -> None:
    """AC-04: defaults that are computed fill the rows that are there, and those that come."""
    await apply(database_url, "CREATE TABLE tokens (id int PRIMARY KEY)")
    await fill(database_url, "INSERT INTO tokens VALUES (1), (2)")
    wider = """CREATE TABLE tokens (
        id int PRIMARY KEY,
        expires_at timestamptz NOT NULL DEFAULT now() + interval '1 hour',
        luck int NOT NULL DEFAULT floor(random() * 100)
    )"""
    await apply(database_url, wider)
    await fill(database_url, "INSERT INTO tokens VALUES (3)")
    sql = "SELECT id, expires_at BETWEEN now() + '50 minutes' AND now() + '1 hour', luck BETWEEN 0 AND 99 FROM tokens ORDER BY id"
    assert await ask(database_url, sql) == [(1, True, True), (2, True, True), (3, True, True)]
    assert [default for *_, default in await columns(database_url, "tokens")] == [
        None,
        "(now() + '01:00:00'::interval)",
        "floor((random() * (100)::double precision))",
    ]


@pytest.mark.asyncio
async def test_AC_06_a_column_and_a_table_together(database_url: str) -> None:
    """AC-06: a table gets a column, and a new table references it, in one change."""
    await apply(database_url, "CREATE TABLE users (id int PRIMARY KEY)")
    await fill(database_url, "INSERT INTO users VALUES (1)")
    await apply(
        database_url,
        """
        CREATE TABLE profiles (id int PRIMARY KEY, user_id int NOT NULL REFERENCES users, email text REFERENCES users (email));
        CREATE TABLE users (id int PRIMARY KEY, email text UNIQUE);
        """,
    )
    assert await rows_of(database_url, "users") == ['{"id": 1, "email": null}']
    assert sorted(await foreign_keys(database_url)) == ["profiles_email_fkey", "profiles_user_id_fkey"]
    assert await changes(database_url) == 2


@pytest.mark.asyncio
async def test_DR_01_a_column_is_not_dropped(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """DR-01: a column that is no longer declared is kept, in development and in production; the error says which it is."""
    await apply(database_url, NAMED.format(more=USERNAME) + MEMORIES)
    await fill(database_url, ROBOTS)
    for environment in ("development", "production"):
        monkeypatch.setenv("ROOST_ENV", environment)
        error = await blocked(database_url, NAMED.format(more="") + MEMORIES, "agents.username")
        assert environment in str(error)
        assert await rows_of(database_url, "agents", "id", "name", "username") == BOTH_ROBOTS
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_DR_02_a_loss_that_is_allowed(new_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """DR-02: it goes where its name is allowed, by the configuration or by the environment alone; the rows stay."""
    for allowed_by in ("option", "environment"):
        url = await new_database()
        await apply(url, NAMED.format(more=USERNAME) + MEMORIES)
        await fill(url, ROBOTS)
        if allowed_by == "environment":
            monkeypatch.setenv("ROOST_ALLOW_DATA_LOSS", "agents.username")
        await apply(url, NAMED.format(more="") + MEMORIES, allow={"agents.username"} if allowed_by == "option" else ())
        assert await rows_of(url, "agents") == ['{"id": 1, "name": "Alpha"}', '{"id": 2, "name": "Beta"}']
        assert await rows_of(url, "memories", "id", "agent_id") == [(1, 1), (2, 2)]


@pytest.mark.asyncio
async def test_DR_03_the_plan_of_a_loss(database_url: str) -> None:
    """DR-03: a check tells of the loss, removes just that column, and its warning names table and column."""
    await apply(database_url, NAMED.format(more=USERNAME) + MEMORIES)
    checked = await check(database_url, NAMED.format(more="") + MEMORIES)
    assert (checked.has_data_loss, checked.losses) == (True, ("agents.username",))
    (warning,) = checked.warnings
    assert "agents" in warning
    assert "username" in warning
    (statement,) = checked.statements
    assert statement.rstrip(";") == 'ALTER TABLE "app"."agents" DROP COLUMN "username"'
    permitted = await check(database_url, NAMED.format(more="") + MEMORIES, allow={"agents.username"})
    assert (permitted.has_data_loss, permitted.statements) == (True, checked.statements)


@pytest.mark.asyncio
async def test_DR_04_a_table_is_not_dropped(database_url: str) -> None:
    """DR-04: a table that is no longer declared is kept until that is allowed; then it goes with its keys, and all others stay."""
    await apply(database_url, REMEMBERED + WORLD)
    await fill(
        database_url,
        """
        INSERT INTO agents VALUES (1), (2); INSERT INTO entities VALUES (1, 1); INSERT INTO rooms VALUES (1), (2), (3);
        INSERT INTO memories VALUES (1, 1, 1, 1), (2, 2, NULL, 2), (3, 1, 1, NULL)
        """,
    )
    counts = "SELECT (SELECT count(*) FROM agents), (SELECT count(*) FROM entities), (SELECT count(*) FROM rooms)"
    await blocked(database_url, WORLD, "memories", allow={"memories.id"})
    assert len(await rows_of(database_url, "memories")) == 3
    await apply(database_url, WORLD, allow={"memories"})
    assert await tables(database_url) == ["agents", "entities", "rooms"]
    assert await ask(database_url, counts) == [(2, 1, 3)]


@pytest.mark.asyncio
async def test_DR_05_each_table_is_named(database_url: str) -> None:
    """DR-05: of four tables that are no longer declared just these four are named."""
    kept = "CREATE TABLE kept (id int PRIMARY KEY);"
    gone = {f"gone_{number}" for number in range(1, 5)}
    await apply(database_url, kept + "".join(f"CREATE TABLE {name} (id serial PRIMARY KEY, kept int REFERENCES kept);" for name in gone))
    await blocked(database_url, kept, *gone)
    await blocked(database_url, kept, "gone_3", allow=gone - {"gone_3"})


@pytest.mark.asyncio
async def test_DR_12_the_old_schema_after_a_block(database_url: str) -> None:
    """DR-12: after a block the old declaration is what the database holds, and there is nothing to do for it."""
    old, new = NAMED.format(more=USERNAME) + MEMORIES, NAMED.format(more=", age int") + MEMORIES
    await apply(database_url, old)
    before = await dump(database_url)
    await failure(database_url, new)
    held = await catalogue_of(database_url)
    again = await apply(database_url, old)
    assert again.steps == ()
    assert (await catalogue_of(database_url), await dump(database_url)) == (held, before)
    assert await changes(database_url) == 1
