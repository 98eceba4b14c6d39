"""Section G: what was done is not done again, whoever asks and however often."""

from __future__ import annotations

import asyncpg
import pytest

from roost import MigrationOrchestrator, MigrationStep, Plugin
from tests.plugins.build import applied, history, make_plugin, make_runtime, migrate, names, query, residue
from tests.plugins.fix_replicas import Replicas

RECORD_DDL = """
CREATE TABLE ddl (tag text);
CREATE FUNCTION record_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.ddl VALUES (tg_tag); END';
CREATE EVENT TRIGGER record_ddl ON ddl_command_end EXECUTE FUNCTION public.record_ddl()
"""
"""Lets the server itself note every statement that defines something, however it comes in."""

ROWS = [("core", "make-core", True), ("guest", "make-guest", True)]


def code() -> list[Plugin]:
    """Return two plugins, made anew as after a restart; the guest needs the core and is given first."""
    core = MigrationStep("make-core", "Core", up="CREATE TABLE core (id int PRIMARY KEY)", version="1.0.0")
    guest = MigrationStep("make-guest", "Guest", up="CREATE TABLE guest (core int REFERENCES core)", version="1.0.0")
    return [make_plugin("guest", guest, dependencies=["core"]), make_plugin("core", core)]


@pytest.mark.asyncio
async def test_ID_01_the_second_time_defines_nothing(database_url: str) -> None:
    """ID-01: twice gives one row, and the second time the server sees no statement that defines anything."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(RECORD_DDL)
    finally:
        await connection.close()
    plugin = make_plugin("p", MigrationStep("make", "Make", up="CREATE TABLE made (id int); CREATE VIEW seen AS TABLE made", version="1"))
    assert names((await migrate(database_url, plugin)).steps) == ["make"]
    first = await query(database_url, "SELECT tag FROM ddl")
    assert first[-2:] == ["CREATE TABLE", "CREATE VIEW"]
    assert (await migrate(database_url, plugin)).steps == ()
    assert await query(database_url, "SELECT tag FROM ddl") == first
    assert await history(database_url) == [("p", "make", True)]
    assert await applied(database_url) == [("p", "make")]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_ID_02_new_instances(database_url: str, replicas: Replicas) -> None:
    """ID-02: after the first run neither the same objects, new ones, a started runtime nor another process do more; core came first."""
    runtime = make_runtime(database_url, *code())
    shared = MigrationOrchestrator(runtime)
    report = await shared.run_all_migrations()
    assert (report.done, names(report.steps)) == (("core-migration", "guest-migration"), ["make-core", "make-guest"])
    for orchestrator in (shared, MigrationOrchestrator(runtime), MigrationOrchestrator(make_runtime(database_url, *code()))):
        again = await orchestrator.run_all_migrations()
        assert (again.done, again.steps, again.run_id) == (report.done, (), None)
    for service in runtime.get_services_by_type("migration"):
        await service.run_migrations(runtime)
    async with runtime, make_runtime(database_url, *code()):
        pass
    steps = [{"id": "make-core", "up": "CREATE TABLE core (id int PRIMARY KEY)"}]
    (elsewhere,) = await replicas.race({"url": database_url, "plugins": [{"name": "core", "steps": steps}]})
    assert (elsewhere.error, elsewhere.steps, elsewhere.opened_a_run) == (None, (), False)
    assert await history(database_url) == ROWS
    assert await applied(database_url) == [row[:2] for row in ROWS]
    assert await query(database_url, "SELECT count(*) FROM roost.run") == [1]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_a_plugin_that_joins_later_runs_alone(database_url: str) -> None:
    """What is settled for the others stays so: only the newcomer's step is taken, in a run of its own."""
    await migrate(database_url, *code())
    newcomer = make_plugin("new", MigrationStep("make", "Make", up="CREATE TABLE new (id int)", version="1.0.0"))
    assert names((await migrate(database_url, *code(), newcomer)).steps) == ["make"]
    assert (await migrate(database_url, *code())).run_id is None
    assert (await migrate(database_url, newcomer)).run_id is None
    assert await history(database_url) == [*ROWS, ("new", "make", True)]
