"""Sections D5 and D6: constraints and indexes that come, change and go."""

from __future__ import annotations

import pytest

from tests.plugins.build import query
from tests.plugins.declared import apply, changes, check, columns, fill, indexes, refused, relation_oid, rows_of, violates

MEMORIES = """
CREATE TABLE memories (
    id int PRIMARY KEY, type text, room_id int, entity_id int, agent_id int, created_at timestamptz DEFAULT now(), metadata jsonb
);
"""
MEMORY_INDEXES = """
CREATE INDEX by_type ON memories (type);
CREATE INDEX by_type_and_room ON memories (type, room_id);
CREATE INDEX by_entity ON memories (entity_id);
CREATE INDEX by_time ON memories (created_at);
CREATE INDEX by_meta_type ON memories ((metadata->>'type'));
CREATE INDEX by_two ON memories ((metadata->>'type'), (metadata->>'source'));
CREATE INDEX conversations ON memories (type, agent_id) WHERE type = 'conversation';
"""
REMEMBERED = """INSERT INTO memories (id, type, metadata) VALUES (1, 'conversation', '{"type": "a"}'), (2, 'fact', '{}'), (3, NULL, NULL)"""

COLUMNS = "CREATE TABLE t (id int PRIMARY KEY, col1 int, col2 int, col3 int, metadata jsonb);"


@pytest.mark.asyncio
async def test_CN_01_required_columns(database_url: str) -> None:
    """CN-01: NOT NULL is refused while there are NULLs, which changes nothing; afterwards it holds."""
    await apply(database_url, "CREATE TABLE users (id int PRIMARY KEY, email text)")
    await fill(database_url, "INSERT INTO users VALUES (1, 'a'), (2, NULL), (3, 'c'), (4, NULL)")
    required = "CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL)"
    await violates(database_url, required, "23502")
    assert await rows_of(database_url, "users", "id", "email") == [(1, "a"), (2, None), (3, "c"), (4, None)]
    assert await columns(database_url, "users") == [("id", "integer", True, None), ("email", "text", False, None)]
    await fill(database_url, "UPDATE users SET email = 'x' WHERE email IS NULL")
    await apply(database_url, required)
    await refused(database_url, "23502", "INSERT INTO users VALUES (5, NULL)")


@pytest.mark.asyncio
async def test_CN_02_unique_columns(database_url: str) -> None:
    """CN-02: UNIQUE is refused while there are two of a kind; once that is mended it holds."""
    await apply(database_url, "CREATE TABLE users (id int PRIMARY KEY, username text)")
    await fill(database_url, "INSERT INTO users VALUES (1, 'alpha'), (2, 'beta'), (3, 'alpha'), (4, 'gamma')")
    unique = "CREATE TABLE users (id int PRIMARY KEY, username text UNIQUE)"
    await violates(database_url, unique, "23505")
    assert await rows_of(database_url, "users", "username", order="id") == ["alpha", "beta", "alpha", "gamma"]
    assert list(await indexes(database_url)) == ["users_pkey"]
    await fill(database_url, "UPDATE users SET username = 'delta' WHERE id = 3")
    await apply(database_url, unique)
    await refused(database_url, "23505", "INSERT INTO users VALUES (5, 'alpha')")


@pytest.mark.asyncio
async def test_CN_03_checks(database_url: str) -> None:
    """CN-03: checks are refused while rows fail them; once those are mended they hold."""
    await apply(database_url, "CREATE TABLE items (id int PRIMARY KEY, price int, qty int)")
    await fill(database_url, "INSERT INTO items VALUES (1, 100, 10), (2, -50, 5), (3, 200, -2), (4, 0, 0)")
    checked = "CREATE TABLE items (id int PRIMARY KEY, price int CHECK (price > 0), qty int CHECK (qty >= 0))"
    await violates(database_url, checked, "23514")
    assert await rows_of(database_url, "items", "price", "qty", order="id") == [(100, 10), (-50, 5), (200, -2), (0, 0)]
    await fill(database_url, "UPDATE items SET price = 1 WHERE price <= 0; UPDATE items SET qty = 0 WHERE qty < 0")
    await apply(database_url, checked)
    await refused(database_url, "23514", "INSERT INTO items VALUES (5, 0, 1)", "INSERT INTO items VALUES (5, 1, -1)")


@pytest.mark.asyncio
async def test_CN_04_all_constraints_at_once(database_url: str) -> None:
    """CN-04: NOT NULL, UNIQUE, a check and a default come in one change on clean rows; just what they forbid is refused."""
    await apply(database_url, "CREATE TABLE items (id int PRIMARY KEY, code text, value int, active bool)")
    await fill(database_url, "INSERT INTO items VALUES (1, 'a', 10, true), (2, 'b', 20, false)")
    strict = """CREATE TABLE items (
        id int PRIMARY KEY, code text NOT NULL UNIQUE, value int NOT NULL CHECK (value > 0), active bool NOT NULL DEFAULT true
    )"""
    await apply(database_url, strict)
    assert await changes(database_url) == 2
    await refused(database_url, "23502", "INSERT INTO items VALUES (3, NULL, 1)")
    await refused(database_url, "23505", "INSERT INTO items VALUES (3, 'a', 1)")
    await refused(database_url, "23514", "INSERT INTO items VALUES (3, 'c', -10)")
    await fill(database_url, "INSERT INTO items VALUES (3, 'c', 10)")
    assert await rows_of(database_url, "items", "id", "code", "value", "active") == [
        (1, "a", 10, True),
        (2, "b", 20, False),
        (3, "c", 10, True),
    ]


@pytest.mark.asyncio
async def test_CN_05_a_constraint_goes(database_url: str) -> None:
    """CN-05: dropping UNIQUE loses nothing: it is not blocked, duplicates may come, and rows that reference the table stay."""
    sessions = "CREATE TABLE agent_sessions (id int PRIMARY KEY, agent_id int NOT NULL REFERENCES agents ON DELETE CASCADE);"
    await apply(database_url, "CREATE TABLE agents (id int PRIMARY KEY, name text NOT NULL UNIQUE);" + sessions)
    await fill(database_url, "INSERT INTO agents VALUES (1, 'a'), (2, 'b'); INSERT INTO agent_sessions VALUES (1, 1), (2, 1), (3, 2)")
    looser = "CREATE TABLE agents (id int PRIMARY KEY, name text NOT NULL);" + sessions
    checked = await check(database_url, looser)
    assert (checked.has_data_loss, checked.losses) == (False, ())
    await apply(database_url, looser)
    await fill(database_url, "INSERT INTO agents VALUES (3, 'a')")
    assert await rows_of(database_url, "agent_sessions", "id", "agent_id") == [(1, 1), (2, 1), (3, 2)]


@pytest.mark.asyncio
async def test_IX_01_indexes_of_all_kinds(database_url: str) -> None:
    """IX-01: seven indexes come to a table with rows: on columns, on expressions, and on part of the rows."""
    await apply(database_url, MEMORIES)
    await fill(database_url, REMEMBERED)
    await apply(database_url, MEMORIES + MEMORY_INDEXES)
    found = await indexes(database_url)
    assert sorted(found) == [
        *("by_entity", "by_meta_type", "by_time", "by_two", "by_type", "by_type_and_room", "conversations", "memories_pkey"),
    ]
    assert found["conversations"].endswith("USING btree (type, agent_id) WHERE (type = 'conversation'::text)")
    assert found["by_two"].endswith("USING btree (((metadata ->> 'type'::text)), ((metadata ->> 'source'::text)))")
    assert len(await rows_of(database_url, "memories")) == 3


@pytest.mark.asyncio
async def test_IX_02_indexes_are_exchanged(database_url: str) -> None:
    """IX-02: what is no longer declared goes, what is new comes, and what stays is not made anew."""
    first = "CREATE INDEX idx_col1 ON t (col1); CREATE INDEX idx_col2 ON t (col2); CREATE INDEX idx_col1_col2 ON t (col1, col2);"
    await apply(database_url, COLUMNS + first)
    await fill(database_url, "INSERT INTO t VALUES (1, 1, 1, 1), (2, 2, 2, 2), (3, 3, 3, 3)")
    kept = await relation_oid(database_url, "idx_col2")
    second = """
        CREATE INDEX idx_col2 ON t (col2); CREATE INDEX idx_col2_col3 ON t (col2, col3); CREATE INDEX idx_col3 ON t (col3);
        CREATE INDEX idx_key ON t ((metadata->>'key'));
    """
    await apply(database_url, COLUMNS + second)
    assert sorted(await indexes(database_url)) == ["idx_col2", "idx_col2_col3", "idx_col3", "idx_key", "t_pkey"]
    assert await relation_oid(database_url, "idx_col2") == kept
    assert len(await rows_of(database_url, "t")) == 3


@pytest.mark.asyncio
async def test_IX_03_an_index_changes_under_its_name(database_url: str) -> None:
    """IX-03: an index on another column with the same name replaces the first."""
    table = "CREATE TABLE t (id int PRIMARY KEY, field1 int, field2 int);"
    await apply(database_url, f"{table} CREATE INDEX my_index ON t (field1)")
    await apply(database_url, f"{table} CREATE INDEX my_index ON t (field2)")
    assert (await indexes(database_url))["my_index"] == "CREATE INDEX my_index ON app.t USING btree (field2)"
    assert await query(database_url, "SELECT count(*) FROM pg_index WHERE indrelid = 'app.t'::regclass AND indisvalid") == [2]


@pytest.mark.asyncio
async def test_IX_04_indexes_of_documents_and_texts(database_url: str) -> None:
    """IX-04: a GIN index of documents, one of lower case, one of words to search for, and one that descends."""
    table = "CREATE TABLE docs (id int PRIMARY KEY, title text, body text, data jsonb, at timestamptz);"
    await apply(database_url, table)
    await fill(database_url, "INSERT INTO docs (id, title) VALUES (1, 'One')")
    declared = """
        CREATE INDEX docs_data ON docs USING gin (data);
        CREATE INDEX docs_title ON docs (lower(title));
        CREATE INDEX docs_words ON docs USING gin (to_tsvector('english', body));
        CREATE INDEX docs_latest ON docs (at DESC);
    """
    await apply(database_url, table + declared)
    assert await indexes(database_url) == {
        "docs_data": "CREATE INDEX docs_data ON app.docs USING gin (data)",
        "docs_latest": "CREATE INDEX docs_latest ON app.docs USING btree (at DESC)",
        "docs_pkey": "CREATE UNIQUE INDEX docs_pkey ON app.docs USING btree (id)",
        "docs_title": "CREATE INDEX docs_title ON app.docs USING btree (lower(title))",
        "docs_words": "CREATE INDEX docs_words ON app.docs USING gin (to_tsvector('english'::regconfig, body))",
    }
    assert (await check(database_url, f"{table}{declared}\n")).statements == ()
