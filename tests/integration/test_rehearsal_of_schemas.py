"""A rehearsal carries out the changes of declared schemas as it does steps, and says what a run would refuse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from roost import MigrationOrchestrator, MigrationStep, PluginMigrationService
from roost.errors import UnknownMigrationPlugin
from roost.migrations import BlockedChange, RehearsalReport, TakenLock, TouchedRows
from roost.migrations._rehearsing import BEHIND_OUTSIDE
from roost.migrations._rehearsing_step import OUTSIDE
from tests.plugins import declared
from tests.plugins.build import QUICK, execute, query, residue
from tests.plugins.catalogue import catalogue_of
from tests.plugins.declared import STEP, bring_about, declaring, fill

LEDGER = "SELECT (SELECT count(*) FROM roost.run), (SELECT count(*) FROM roost.repeatable), (SELECT count(*) FROM roost.snapshot)"
SHOP = "CREATE TABLE orders (id int PRIMARY KEY, total int, state text)"
WIDER = SHOP.replace("total int", "total bigint NOT NULL")
SPOIL = """
CREATE FUNCTION spoil() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN
    IF to_regclass('shop.orders') IS NOT NULL AND obj_description(to_regclass('shop.orders')) IS NULL THEN
        COMMENT ON TABLE shop.orders IS 'spoilt';
    END IF;
END$$;
CREATE EVENT TRIGGER spoil ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION spoil()
"""


class Later(PluginMigrationService):
    """Takes a step once the declared schemas are there."""

    service_name = "later-migration"
    plugin_name = "later"
    steps = (MigrationStep("order", "Order", up="INSERT INTO shop.orders (id, total) VALUES (100, 1)", version="1.0.0"),)


async def rehearse(url: str, schemas: Mapping[str, str], *, plugin: str | None = None, allow: Sequence[str] = ()) -> RehearsalReport:
    """Rehearse declared schemas and a step after them, and see that nothing is left of it."""
    has_ledger = await query(url, "SELECT to_regclass('roost.meta') IS NOT NULL") == [True]
    before = await catalogue_of(url), await query(url, LEDGER) if has_ledger else []
    report = await MigrationOrchestrator(declaring(url, schemas, services=[Later])).rehearse(plugin, allow_data_loss=allow)
    assert (await catalogue_of(url), await query(url, LEDGER) if has_ledger else []) == before
    assert await residue(url) == []
    return report


def outcomes(report: RehearsalReport) -> list[tuple[str, str | None, str]]:
    """Return each step's plugin, id and outcome."""
    return [(one.plugin, one.step, one.outcome) for one in report.steps]


@pytest.mark.asyncio
async def test_on_an_empty_database(database_url: str) -> None:
    """What is declared is made, the step finds it there, and no ledger is."""
    report = await rehearse(database_url, {"shop": SHOP})
    assert outcomes(report) == [("shop", STEP, "rehearsed"), ("later", "order", "rehearsed")]
    assert {lock.is_new for lock in report.steps[0].locks} == {True}
    assert report.steps[1].rows == (TouchedRows(table="shop.orders", inserted=1, updated=0, deleted=0),)
    assert (report.is_fine, report.blocked, report.held) == (True, (), ())


@pytest.mark.asyncio
async def test_locks_and_rewrites_are_told_as_of_steps(database_url: str) -> None:
    """A type that holds more rewrites the table and keeps everybody out; the statements are those that a run sends."""
    await bring_about(database_url, {"shop": SHOP})
    await fill(database_url, "INSERT INTO orders VALUES (1, 1, 'new')", schema="shop")
    report = await rehearse(database_url, {"shop": WIDER})
    change = report.steps[0]
    assert (change.service, change.outcome, change.rewritten) == ("database-migration", "rehearsed", ("shop.orders",))
    assert TakenLock(relation="shop.orders", kind="table", mode="ACCESS EXCLUSIVE", is_new=False) in change.locks
    assert [held.relation for held in report.held if held.kind == "table"] == ["shop.orders"]
    planned = await bring_about(database_url, {"shop": WIDER}, dry_run=True)
    assert [step.sql for step in planned.steps] == [change.sql]
    assert report.is_fine


@pytest.mark.asyncio
async def test_a_new_value_that_is_used(database_url: str) -> None:
    """The value is added, and what uses it can't be rehearsed, as both share one transaction; the reason is told, and the rest goes on."""
    text = "CREATE TYPE state AS ENUM ('new'{more}); CREATE TABLE orders (id int PRIMARY KEY, total int, state state DEFAULT '{default}')"
    await bring_about(database_url, {"shop": text.format(more="", default="new")})
    report = await rehearse(database_url, {"shop": text.format(more=", 'paid'", default="paid")})
    assert outcomes(report) == [("shop", STEP, "rehearsed"), ("shop", STEP, "not rehearsed"), ("later", "order", "rehearsed")]
    assert "new value of an enum" in (report.steps[1].reason or "")
    assert report.is_fine


@pytest.mark.asyncio
async def test_what_would_lose_data_is_blocked(database_url: str) -> None:
    """It is told as a plan tells it, and no step follows, as in a run; others' schemas are rehearsed. Allowed, it is carried out."""
    narrower = SHOP.replace(", state text", "")
    await bring_about(database_url, {"shop": SHOP})
    report = await rehearse(database_url, {"shop": narrower, "tags": "CREATE TABLE tags (name text)"})
    assert outcomes(report) == [("tags", STEP, "rehearsed"), ("later", "order", "not rehearsed")]
    sql = 'ALTER TABLE "shop"."orders" DROP COLUMN "state";'
    assert report.blocked == (BlockedChange(plugin="shop", losses=("orders.state",), sql=sql),)
    assert not report.is_fine
    assert report.broken_off == report.steps[1].reason == "a declared schema would lose data, which a run refuses"
    allowed = await rehearse(database_url, {"shop": narrower}, allow=("orders.state",))
    assert outcomes(allowed) == [("shop", STEP, "rehearsed"), ("later", "order", "rehearsed")]
    assert (allowed.steps[0].sql, allowed.is_fine) == (sql, True)
    alone = await rehearse(database_url, {"shop": narrower}, plugin="shop")
    assert (alone.steps, alone.blocked, alone.is_fine) == ((), report.blocked, False)


@pytest.mark.asyncio
async def test_rows_that_are_in_the_way(database_url: str) -> None:
    """The change fails with the server's words, other plugins' are rehearsed all the same, and no step is."""
    await bring_about(database_url, {"shop": SHOP})
    await fill(database_url, "INSERT INTO orders VALUES (1, NULL, 'new')", schema="shop")
    report = await rehearse(database_url, {"shop": WIDER, "tags": "CREATE TABLE tags (name text)"})
    assert outcomes(report) == [("shop", STEP, "failed"), ("tags", STEP, "rehearsed"), ("later", "order", "not rehearsed")]
    error = report.steps[0].error
    assert error is not None
    assert (error.plugin, error.sqlstate) == ("shop", "23502")
    assert report.broken_off == "the declared schema of plugin shop failed, and a run takes no steps then"


@pytest.mark.asyncio
async def test_the_rest_of_a_change_that_failed(database_url: str) -> None:
    """Where the first transaction of a plugin's change fails, those behind it are not tried."""
    text = "CREATE TYPE state AS ENUM ('new'{more}); CREATE TABLE orders (id int PRIMARY KEY, total int, state state DEFAULT '{default}')"
    await bring_about(database_url, {"shop": text.format(more="", default="new")})
    await execute(
        database_url,
        "CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'no new values'; END$$; "
        "CREATE EVENT TRIGGER refuse ON ddl_command_start WHEN TAG IN ('ALTER TYPE') EXECUTE FUNCTION refuse()",
    )
    report = await rehearse(database_url, {"shop": text.format(more=", 'paid'", default="paid")})
    assert outcomes(report) == [("shop", STEP, "failed"), ("shop", STEP, "not rehearsed"), ("later", "order", "not rehearsed")]
    assert report.steps[1].reason == "a transaction before it failed, and it is part of the same change"


@pytest.mark.asyncio
async def test_what_is_not_there_afterwards_fails(database_url: str) -> None:
    """At the end the catalogue is held against the declaration, as in a run, and what differs is named."""
    await execute(database_url, SPOIL)
    report = await rehearse(database_url, {"shop": SHOP})
    assert outcomes(report) == [("shop", STEP, "failed"), ("later", "order", "not rehearsed")]
    assert report.steps[0].error is not None
    assert "The schema of plugin shop would still differ after the change:\n- table orders is not" in report.steps[0].error.reason


@pytest.mark.asyncio
async def test_one_plugin(database_url: str) -> None:
    """A plugin that declares a schema can be named by itself, like one that has steps."""
    schemas = {"shop": SHOP, "tags": "CREATE TABLE tags (name text)"}
    assert outcomes(await rehearse(database_url, schemas, plugin="tags")) == [("tags", STEP, "rehearsed")]
    both = await rehearse(database_url, schemas, plugin="database-migration")
    assert outcomes(both) == [("shop", STEP, "rehearsed"), ("tags", STEP, "rehearsed")]
    with pytest.raises(UnknownMigrationPlugin) as caught:
        await rehearse(database_url, schemas, plugin="tag")
    assert caught.value.known == ("database-migration", "later", "shop", "tags")
    await bring_about(database_url, schemas)
    assert (await rehearse(database_url, schemas, plugin="tags")).steps == ()


@pytest.mark.asyncio
async def test_what_is_built_beside_others_is_left_out(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large table the main transaction is rehearsed; an index that is built outside of one, and what stands behind it, is not."""
    await bring_about(database_url, {"shop": SHOP})
    monkeypatch.setattr(declared, "QUICK", replace(QUICK, large_table_bytes=0))
    report = await rehearse(
        database_url, {"shop": SHOP.replace("total int", "total int NOT NULL") + "; CREATE INDEX by_state ON orders (state)"}
    )
    schema = [step for step in report.steps if step.plugin == "shop"]
    (built,) = [step for step in schema if "CONCURRENTLY" in (step.sql or "")]
    assert (built.outcome, built.reason) == ("not rehearsed", OUTSIDE)
    assert {step.reason for step in schema[schema.index(built) + 1 :]} == {BEHIND_OUTSIDE}
    assert all(step.outcome == "rehearsed" for step in schema[: schema.index(built)])
