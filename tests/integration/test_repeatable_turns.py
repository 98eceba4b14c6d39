"""Where runs take turns step by step, as behind a pooler, a repeatable step runs once for each text all the same."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import nullcontext

import asyncpg
import pytest

from roost import MigrationStep, Plugin, RepeatableStep
from roost.migrations._fingerprint import sql_fingerprint
from roost.postgres import advisory_lock_key
from tests.plugins.build import history, make_plugin, migrate, names, query, residue
from tests.plugins.pgbouncer import busy, pgbouncer

KEY = advisory_lock_key("roost:roost")


def first_text(text: str) -> str:
    """Return the SQL of the first of the steps below."""
    return f"CREATE OR REPLACE VIEW v0 AS SELECT '{text}'::text AS a; INSERT INTO runs VALUES ('r0')"


def plugin(text: str) -> Plugin:
    """Return a plugin of ten repeatable steps; the second half comes after the first step, which shows this text."""
    first = RepeatableStep("r0", "First", up=first_text(text))
    others = [
        RepeatableStep(f"r{number}", "Another", up=f"INSERT INTO runs VALUES ('r{number}')", after=("r0",) if number > 4 else ())
        for number in range(1, 10)
    ]
    made = MigrationStep("made", "Make", up="CREATE TABLE runs (step text)", version="1.0.0")
    return make_plugin("p", made, repeatable=[first, *others], version="1.0.0")


@pytest.mark.asyncio
@pytest.mark.pgbouncer
@pytest.mark.parametrize("is_busy", [False, True])
async def test_many_runs_through_a_pooler(database_url: str, is_busy: bool) -> None:  # noqa: FBT001 -- a case
    """Six at once: each step runs once, and once more after a change where it changed or comes after what changed."""
    async with pgbouncer(database_url, mode="transaction") as url, busy(url) if is_busy else nullcontext():
        for text, expected in (("one", ["made", *(f"r{i}" for i in range(10))]), ("two", ["r0", *(f"r{i}" for i in range(5, 10))])):
            reports = await asyncio.gather(*[migrate(url, plugin(text)) for _ in range(6)])
            assert Counter(name for report in reports for name in names(report.steps)) == Counter(expected)
            assert (await migrate(url, plugin(text))).run_id is None
    assert Counter(await query(database_url, "SELECT step FROM runs")) == Counter(
        {f"r{number}": 2 if number in (0, 5, 6, 7, 8, 9) else 1 for number in range(10)}
    )
    assert {row[2] for row in await history(database_url)} == {True}
    assert await residue(database_url) == []


@pytest.mark.asyncio
@pytest.mark.pgbouncer
async def test_two_texts_through_a_pooler(database_url: str) -> None:
    """Old code and new code at once: whatever ran last is what the ledger says, and only that can be settled."""
    async with pgbouncer(database_url, mode="transaction") as url:
        for _ in range(3):
            await asyncio.gather(*[migrate(url, plugin(text)) for text in ("one", "two", "one", "two")])
            (text,) = await query(database_url, "SELECT a FROM v0")
            assert await query(database_url, "SELECT fingerprint FROM roost.repeatable WHERE step = 'r0'") == [
                sql_fingerprint(first_text(text))
            ]
            other = "two" if text == "one" else "one"
            assert "r0" in names((await migrate(url, plugin(other))).steps)


RAN = sql_fingerprint("SELECT 1")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("head", "step", "planned_over", "refused"),
    [
        ("head", "r", RAN, False),
        ("head", "new", None, False),
        ("head", "r", None, True),
        ("head", "r", "sql:another", True),
        ("head", "new", RAN, True),
        ("another", "r", RAN, True),
        (None, "r", RAN, True),
    ],
)
async def test_what_was_planned_over_something_else(
    database_url: str, *, head: str | None, step: str, planned_over: str | None, refused: bool
) -> None:
    """A step begins only over the text, and on the head, that its plan has seen; else it is planned again."""
    connection = await _settled(database_url)
    try:
        found = await connection.fetchval("SELECT chain FROM roost.plugin") if head == "head" else head
        begin = "SELECT roost.begin_repeatable(1, $1, true, 'p', $2, $3, $4)"
        if refused:
            with pytest.raises(asyncpg.PostgresError) as caught:
                await connection.execute(begin, KEY, found, step, planned_over)
            assert caught.value.sqlstate == "RST04"
        else:
            await connection.execute(begin, KEY, found, step, planned_over)
    finally:
        await connection.close()


@pytest.mark.asyncio
@pytest.mark.parametrize(("step", "fingerprint", "settles"), [("r", RAN, True), ("r", "sql:another", False), ("new", RAN, False)])
async def test_only_what_ran_last_is_settled(database_url: str, step: str, fingerprint: str, settles: bool) -> None:  # noqa: FBT001 -- a case
    """A run that found its own text satisfied settles nothing where another run has put its text over it since."""
    connection = await _settled(database_url)
    try:
        head = await connection.fetchval("SELECT chain FROM roost.plugin")
        await connection.execute("SELECT roost.settle('p', 'digest', $1, $2, $3)", head, ["r", step], [RAN, fingerprint])
        assert (await connection.fetchval("SELECT settled FROM roost.plugin") == "digest") is settles
    finally:
        await connection.close()


async def _settled(url: str) -> asyncpg.Connection:
    """Let plugin p run one repeatable step, `r`, and return a connection."""
    made = MigrationStep("made", "Make", up="SELECT 1", version="1.0.0")
    await migrate(url, make_plugin("p", made, repeatable=[RepeatableStep("r", "R", up="SELECT 1")]))
    return await asyncpg.connect(url)
