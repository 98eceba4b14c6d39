"""Section D4: columns whose type or default changes."""

from __future__ import annotations

import json

import pytest

from tests.plugins.build import execute, query
from tests.plugins.catalogue import catalogue_of
from tests.plugins.declared import RECORD_DDL, apply, ask, blocked, check, columns, defined, fill, rows_of, violates

SPELLINGS = [
    ("decimal(10,2)", "numeric(10,2)"),
    ("numeric(10)", "numeric(10,0)"),
    ("character varying(255)", "varchar(255)"),
    ("timestamp", "timestamp without time zone"),
    ("timestamptz", "timestamp with time zone"),
    ("int", "int4"),
    ("bigint", "int8"),
    ("smallint", "int2"),
    ("boolean", "bool"),
    ("real", "float4"),
    ("double precision", "float8"),
    ("_text", "text[]"),
]

DOCUMENTS = [{"a": [1, {"b": None}], "c": "é"}, {"nested": {"deep": {"er": [True, 1.5]}}}, [], "text", 0]


async def types(url: str, table: str) -> dict[str, str]:
    """Return the types of a table's columns, by name."""
    return {name: kind for name, kind, _, _ in await columns(url, table)}


@pytest.mark.asyncio
async def test_TC_01_types_that_widen(database_url: str) -> None:
    """TC-01: integers and varying characters widen without being allowed to, and the values stay."""
    await apply(database_url, "CREATE TABLE t (id int PRIMARY KEY, small smallint, medium int, short varchar(100))")
    await fill(database_url, "INSERT INTO t VALUES (1, 100, 1000, 'short')")
    wider = "CREATE TABLE t (id int PRIMARY KEY, small int, medium bigint, short text)"
    assert not (await check(database_url, wider)).has_data_loss
    await apply(database_url, wider)
    assert await types(database_url, "t") == {"id": "integer", "small": "integer", "medium": "bigint", "short": "text"}
    assert await rows_of(database_url, "t", "small", "medium", "short") == [(100, 1000, "short")]


@pytest.mark.asyncio
async def test_TC_02_integers_to_numbers_with_a_scale(database_url: str) -> None:
    """TC-02: integers become numbers with two places, each with its value."""
    values = [1999, 0, -5, 99_999_999, 7]
    await apply(database_url, "CREATE TABLE prices (id int PRIMARY KEY, price int)")
    await fill(database_url, f"INSERT INTO prices VALUES {', '.join(map(str, enumerate(values)))}")
    await apply(database_url, "CREATE TABLE prices (id int PRIMARY KEY, price numeric(10, 2))")
    assert await types(database_url, "prices") == {"id": "integer", "price": "numeric(10,2)"}
    assert await ask(database_url, "SELECT price::text FROM prices ORDER BY id") == [f"{value}.00" for value in values]


@pytest.mark.asyncio
async def test_TC_03_other_spellings_are_no_change(database_url: str) -> None:
    """TC-03: two spellings of one type are one type: nothing is defined, neither the first time nor the second."""
    one, other = (f"CREATE TABLE t ({', '.join(f'c{number} {pair[side]}' for number, pair in enumerate(SPELLINGS))})" for side in (0, 1))
    await apply(database_url, one)
    await execute(database_url, RECORD_DDL)
    before = await catalogue_of(database_url)
    for declared in (other, other, one):
        assert (await check(database_url, declared)).statements == ()
        await apply(database_url, declared)
        assert await defined(database_url) == []
        assert await catalogue_of(database_url) == before


@pytest.mark.asyncio
async def test_TC_08_text_that_may_be_a_number(database_url: str) -> None:
    """TC-08: text to integers is blocked; permitted it fails at what is no number and changes nothing; once cleaned it passes."""
    await apply(database_url, "CREATE TABLE users (id int PRIMARY KEY, age text, score text)")
    await fill(database_url, "INSERT INTO users VALUES (1, '25', '100'), (2, '30.5', '95.75'), (3, 'unknown', 'N/A'), (4, NULL, '')")
    was = [(1, "25", "100"), (2, "30.5", "95.75"), (3, "unknown", "N/A"), (4, None, "")]
    numbers, allow = "CREATE TABLE users (id int PRIMARY KEY, age int, score int)", {"users.age", "users.score"}
    await blocked(database_url, numbers, "users.age", "users.score")
    assert await rows_of(database_url, "users", "id", "age", "score") == was
    await violates(database_url, numbers, "22P02", allow=allow)
    assert await rows_of(database_url, "users", "id", "age", "score") == was
    assert set((await types(database_url, "users")).values()) == {"integer", "text"}
    await fill(
        database_url,
        "UPDATE users SET age = NULL WHERE id = 3; UPDATE users SET age = '30', score = '95' WHERE id = 2;"
        "UPDATE users SET score = NULL WHERE id IN (3, 4)",
    )
    await apply(database_url, numbers, allow=allow)
    assert await rows_of(database_url, "users", "id", "age", "score") == [(1, 25, 100), (2, 30, 95), (3, None, None), (4, None, None)]


@pytest.mark.asyncio
async def test_TC_09_documents_to_text(database_url: str) -> None:
    """TC-09: documents become text that parses back to what they were; NULL stays NULL."""
    await apply(database_url, "CREATE TABLE docs (id int PRIMARY KEY, body jsonb)")
    for number, document in enumerate([*DOCUMENTS, None]):
        value = None if document is None else json.dumps(document)
        await query(database_url, "INSERT INTO app.docs VALUES ($1, $2::text::jsonb)", number, value)
    await apply(database_url, "CREATE TABLE docs (id int PRIMARY KEY, body text)", allow={"docs.body"})
    *texts, nothing = await ask(database_url, "SELECT body FROM docs ORDER BY id")
    assert [json.loads(text) for text in texts] == DOCUMENTS
    assert nothing is None
    assert await types(database_url, "docs") == {"id": "integer", "body": "text"}


@pytest.mark.asyncio
async def test_TC_10_truth_to_text(database_url: str) -> None:
    """TC-10: true, false and NULL become 'true', 'false' and NULL."""
    await apply(database_url, "CREATE TABLE flags (id int PRIMARY KEY, flag bool)")
    await fill(database_url, "INSERT INTO flags VALUES (1, true), (2, false), (3, NULL)")
    await apply(database_url, "CREATE TABLE flags (id int PRIMARY KEY, flag text)", allow={"flags.flag"})
    assert await rows_of(database_url, "flags", "id", "flag") == [(1, "true"), (2, "false"), (3, None)]


@pytest.mark.asyncio
async def test_TC_11_keys_that_have_no_number(database_url: str) -> None:
    """TC-11: uuids to integers is blocked, and ids and amounts are the same."""
    await apply(database_url, "CREATE TABLE payments (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), amount int)")
    await fill(database_url, "INSERT INTO payments (amount) SELECT n * 100 FROM generate_series(1, 10) AS n")
    before = await rows_of(database_url, "payments", "amount", "id")
    assert [amount for amount, _ in before] == list(range(100, 1001, 100))
    await blocked(database_url, "CREATE TABLE payments (id int PRIMARY KEY, amount int)", "payments.id")
    assert await rows_of(database_url, "payments", "amount", "id") == before


@pytest.mark.asyncio
async def test_TC_17_defaults_change_for_what_comes(database_url: str) -> None:
    """TC-17: changed and removed defaults leave the rows that are there as they are, and hold for new ones."""
    await apply(
        database_url, "CREATE TABLE jobs (id int PRIMARY KEY, on_hold bool DEFAULT false, seconds int DEFAULT 30, note text DEFAULT 'n')"
    )
    await fill(database_url, "INSERT INTO jobs (id) VALUES (1), (2)")
    changed = "CREATE TABLE jobs (id int PRIMARY KEY, on_hold bool DEFAULT true, seconds int DEFAULT 60, note text)"
    assert not (await check(database_url, changed)).has_data_loss
    await apply(database_url, changed)
    await fill(database_url, "INSERT INTO jobs (id) VALUES (3)")
    assert await rows_of(database_url, "jobs", "id", "on_hold", "seconds", "note") == [
        (1, False, 30, "n"),
        (2, False, 30, "n"),
        (3, True, 60, None),
    ]
