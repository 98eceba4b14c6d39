"""Section F for declared schemas: what fails leaves nothing of itself, and does not keep others from what is theirs."""

from __future__ import annotations

import pytest

from roost import MigrationOrchestrator, MigrationStep, PluginMigrationService
from roost.errors import DestructiveMigrationBlocked, InvalidSchema, SchemasFailed, SchemaUnsupported, StepFailed
from tests.plugins.build import history, query, residue
from tests.plugins.declared import APP, apply, ask, blocked, bring_about, changes, columns, declaring, failures, fill, sqlstates, tables

ALL_TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'roost')"
SCRATCHES = "SELECT datname FROM pg_database WHERE datname LIKE (SELECT 'roost_scratch_' || oid || '%' FROM pg_database WHERE datname = $1)"

BROKEN = """
CREATE TABLE ok_1 (id int PRIMARY KEY);
CREATE TABLE ok_2 (id int PRIMARY KEY, ok_1 int REFERENCES ok_1);
CREATE TABLE bad (id int PRIMARY KEY, CHECK (nope > 1));
"""


class Later(PluginMigrationService):
    """Comes after the declared schemas."""

    service_name = "later-migration"
    plugin_name = "later"
    steps = (MigrationStep("make", "Make", up="CREATE TABLE public.later (id int)", version="1.0.0"),)


@pytest.mark.asyncio
async def test_FA_01_a_declaration_that_is_wrong(database_url: str) -> None:
    """FA-01: one table of three names a column that it has not: none of them is made, and no success is recorded."""
    await apply(database_url, "")
    before = await query(database_url, ALL_TABLES)
    (error,) = (await failures(database_url, {"three": BROKEN})).values()
    assert isinstance(error, InvalidSchema)
    assert (error.plugin, sqlstates(error)) == ("three", {"42703"})
    assert error.line == 4
    assert "nope" in str(error)
    assert await query(database_url, ALL_TABLES) == before
    assert await query(database_url, "SELECT to_regclass('three.ok_1'), to_regclass('three.ok_2'), to_regclass('three.bad')") == [
        (None, None, None)
    ]
    assert await changes(database_url, "three") == 0


@pytest.mark.asyncio
async def test_FA_06_others_go_on(database_url: str) -> None:
    """FA-06: what fails is told in one error that names each plugin and counts them; others are done, and the next service is not run."""
    await bring_about(database_url, {"rows": "CREATE TABLE t (n int)", "lossy": "CREATE TABLE t (n int, m int)"})
    await fill(database_url, "INSERT INTO t VALUES (NULL)", schema="rows")
    schemas = {
        "bad": "CREATE TABLE t (id int, CHECK (nope > 1))",
        "good": "CREATE TABLE t (id int PRIMARY KEY)",
        "lossy": "CREATE TABLE t (n int)",
        "rows": "CREATE TABLE t (n int NOT NULL)",
        "well": "CREATE TABLE t (id int PRIMARY KEY, name text)",
    }
    with pytest.raises(SchemasFailed) as caught:
        await MigrationOrchestrator(declaring(database_url, schemas, services=[Later])).run_all_migrations()
    failed = dict(caught.value.failures)
    assert {name: type(error) for name, error in failed.items()} == {
        "bad": InvalidSchema,
        "lossy": DestructiveMigrationBlocked,
        "rows": StepFailed,
    }
    assert [sqlstates(failed[name]) for name in ("bad", "lossy", "rows")] == [{"42703"}, set(), {"23502"}]
    assert sqlstates(caught.value) == {"42703", "23502"}
    text = str(caught.value)
    assert all(part in text for part in ("3 plugins", "bad", "lossy", "rows"))
    assert [await tables(database_url, schema=name) for name in ("good", "well")] == [["t"], ["t"]]
    assert [await changes(database_url, name) for name in schemas] == [0, 1, 1, 1, 1]
    assert await query(database_url, "SELECT to_regclass('public.later')") == [None]
    assert await history(database_url, "later") == []
    assert await residue(database_url) == []
    mended = {**schemas, "bad": "CREATE TABLE t (id int)", "lossy": "CREATE TABLE t (n int, m int)", "rows": "CREATE TABLE t (n int)"}
    await MigrationOrchestrator(declaring(database_url, mended, services=[Later])).run_all_migrations()
    assert [await changes(database_url, name) for name in ("bad", "good", "well")] == [1, 1, 1]
    assert await history(database_url, "later") == [("later", "make", True)]


@pytest.mark.asyncio
async def test_what_can_not_be_compared_stops_no_others(database_url: str) -> None:
    """A change that nobody can write keeps only its own plugin, and those whose tables are connected with it, from theirs."""
    domain = "CREATE DOMAIN code AS {base}; CREATE TABLE codes (id int PRIMARY KEY, code code);"
    tied = "CREATE TABLE tied (id int REFERENCES odd.codes{more})"
    first = {"odd": domain.format(base="varchar(10)"), "good": "CREATE TABLE t (id int)", "tied": tied.format(more="")}
    await bring_about(database_url, first)
    second = {"odd": domain.format(base="text"), "good": "CREATE TABLE t (id int, n int)", "tied": tied.format(more=", n int")}
    failed = await failures(database_url, second)
    assert {name: type(error) for name, error in failed.items()} == {"odd": SchemaUnsupported, "tied": SchemaUnsupported}
    assert "code" in str(failed["odd"])
    assert [name for name, *_ in await columns(database_url, "t", schema="good")] == ["id", "n"]
    assert [name for name, *_ in await columns(database_url, "tied", schema="tied")] == ["id"]
    alone = await failures(database_url, {"odd": second["odd"]})
    assert [type(error) for error in alone.values()] == [SchemaUnsupported]
    assert (await bring_about(database_url, {**second, "odd": first["odd"]})).failed == ()


@pytest.mark.asyncio
async def test_FA_10_values_behind_a_block(database_url: str) -> None:
    """FA-10: ten transactions' values are the same after a change was blocked."""
    accounts = "CREATE TABLE transactions (id int PRIMARY KEY, amount numeric(12, 4) NOT NULL, note text{more})"
    await apply(database_url, accounts.format(more=""))
    await fill(database_url, "INSERT INTO transactions SELECT n, n * 1234.5678, 'n' || n FROM generate_series(1, 10) AS n")
    values = "SELECT id, amount::text, note FROM transactions ORDER BY id"
    before = await ask(database_url, values)
    assert (len(before), before[-1]) == (10, (10, "12345.6780", "n10"))
    narrower = accounts.format(more=", extra int").replace("numeric(12, 4)", "numeric(12, 1)")
    error = await blocked(database_url, narrower, "transactions.amount")
    assert error.plugin == APP
    assert await ask(database_url, values) == before


@pytest.mark.asyncio
async def test_no_scratch_database_is_left(database_url: str) -> None:
    """Neither a success, a failure nor a check leaves a database behind."""
    await apply(database_url, "CREATE TABLE t (id int)")
    await failures(database_url, {APP: BROKEN})
    name = database_url.rpartition("/")[2].partition("?")[0]
    assert await query(database_url, SCRATCHES, name) == []
