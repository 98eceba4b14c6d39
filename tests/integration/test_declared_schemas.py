"""Declared schemas in runs: beside steps, beside other replicas, cancelled, drifted, and where something is in the way."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from roost import DatabaseMigrationService, MigrationOrchestrator, MigrationStep, Plugin, PluginMigrationService, Runtime
from roost.errors import (
    DestructiveMigrationBlocked,
    SchemaNotReached,
    SchemaPlanTimeout,
    SchemaServiceMissing,
    SchemasFailed,
    ScratchUnavailable,
    SessionLost,
    StepFailed,
)
from roost.migrations import MigrationReport
from roost.postgres import parse_url
from roost.testing import Fault, FaultProxy, RoundTripProxy, Stepper
from tests.plugins.build import QUICK, execute, history, make_plugin, make_runtime, names, query, residue, until
from tests.plugins.fix_postgres import MakeDatabase

NOTES = "CREATE TABLE notes (id int PRIMARY KEY, body text NOT NULL);"
SCRATCHES = """
SELECT datname FROM pg_database
WHERE datname LIKE (SELECT 'roost_scratch_' || oid || '_%' FROM pg_database WHERE datname = current_database())
"""


def declaring(url: str, *others: Plugin, config: Any = QUICK, **schemas: object) -> Runtime:
    """Return a runtime whose plugins declare these schemas."""
    plugins = [Plugin(name, schema=schema) for name, schema in schemas.items()]
    return make_runtime(url, *plugins, *others, config=config, services=[DatabaseMigrationService])


async def bring_about(url: str, *others: Plugin, **fields: Any) -> MigrationReport:
    """Migrate such a runtime."""
    return await MigrationOrchestrator(declaring(url, *others, **fields)).run_all_migrations()


async def cancelled_at(number: int, run: Coroutine[Any, Any, MigrationReport]) -> MigrationReport:
    """Cancel a run at one of its awaits."""
    task = asyncio.current_task()
    assert task is not None
    return await Stepper(run, at=number, act=task.cancel)


async def tables(url: str, schema: str) -> list[str]:
    """Return the names of a schema's tables."""
    return await query(
        url, "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = to_regnamespace($1) ORDER BY 1", schema
    )


@pytest.mark.asyncio
async def test_a_start_with_nothing_to_do_is_one_round_trip(database_url: str) -> None:
    """The declaration is recognised by the one query that every start sends: no scratch, no comparison, no lock."""
    assert names((await bring_about(database_url, notes=NOTES)).steps) == ["declared-schema"]
    async with RoundTripProxy(database_url) as proxy:
        report = await bring_about(proxy.url, notes=NOTES)
        assert (report.steps, report.run_id) == ((), None)
        assert proxy.round_trips == 1
    assert await history(database_url, "notes") == [("notes", "declared-schema", True)]


@pytest.mark.asyncio
async def test_many_replicas_at_one_instant(database_url: str) -> None:
    """Each schema is brought about once, whoever does it, and nothing is left of any scratch database."""
    reports = await asyncio.gather(*[bring_about(database_url, notes=NOTES, tags="CREATE TABLE tags (name text)") for _ in range(4)])
    assert sorted(step.plugin for report in reports for step in report.steps) == ["notes", "tags"]
    assert sorted(await history(database_url)) == [("notes", "declared-schema", True), ("tags", "declared-schema", True)]
    assert await query(database_url, SCRATCHES) == []
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_steps_and_a_declared_schema_of_one_plugin(database_url: str) -> None:
    """The declared tables are there before the plugin's steps run, which may use them; each is settled, and rolled back, by itself."""
    steps = (
        MigrationStep("fill", "Fill", up="INSERT INTO notes.notes VALUES (1, 'first')", down="DELETE FROM notes.notes", version="1.0.0"),
    )
    both = make_plugin("notes", *steps, schema=None)
    plugin = Plugin("notes", services=both.services, schema=NOTES)
    assert names((await bring_about(database_url, plugin)).steps) == ["declared-schema", "fill"]
    assert (await bring_about(database_url, plugin)).run_id is None
    runtime = declaring(database_url, plugin)
    status = await MigrationOrchestrator(runtime).get_migration_status()
    assert [(one.service_name, one.pending, one.drift) for one in status.services] == [
        ("database-migration", 0, ()),
        ("notes-migration", 0, ()),
    ]
    assert status.unclaimed == ()
    (service,) = [one for one in runtime.get_services_by_type("migration") if isinstance(one, PluginMigrationService)]
    assert names((await service.rollback()).steps) == ["fill"]
    assert await tables(database_url, "notes") == ["notes"]
    again = await bring_about(database_url, plugin)
    assert "fill" in names(again.steps)
    assert await query(database_url, "SELECT body FROM notes.notes") == ["first"]


@pytest.mark.asyncio
async def test_services_wait_for_the_schemas_of_their_plugins(database_url: str) -> None:
    """A service of a plugin that declares a schema starts when its tables are there, also where the plugin is loaded late."""
    seen: list[list[str]] = []

    def reader(name: str) -> type:
        async def start(_self: object) -> None:
            seen.append(await tables(database_url, name))

        return type(f"{name.title()}Reader", (), {"service_name": f"{name}-reader", "service_type": None, "start": start})

    early = Plugin("early", schema="CREATE TABLE t1 (x int)", services=[reader("early")])
    late = Plugin("late", schema="CREATE TABLE t2 (x int)", services=[reader("late")])
    async with make_runtime(database_url, early, services=[DatabaseMigrationService]) as runtime:
        assert seen == [["t1"]]
        await runtime.load_plugin(late)
        assert seen == [["t1"], ["t2"]]


@pytest.mark.asyncio
@pytest.mark.parametrize("numbered", ["bigint GENERATED ALWAYS AS IDENTITY", "bigint GENERATED BY DEFAULT AS IDENTITY", "bigserial"])
@pytest.mark.parametrize(("rows", "following"), [("(7), (9)", 10), ("(-3)", 1), ("", 1)], ids=["rows", "negative", "empty"])
async def test_what_the_server_counts_from_now_on_goes_on(database_url: str, numbered: str, rows: str, following: int) -> None:
    """A column whose numbers the server is to give goes on behind those that it holds, and not at one of them."""
    await bring_about(database_url, notes="CREATE TABLE t (id bigint NOT NULL, PRIMARY KEY (id))")
    if rows:
        await execute(database_url, f"INSERT INTO notes.t VALUES {rows}")
    await bring_about(database_url, notes=f"CREATE TABLE t (id {numbered}, PRIMARY KEY (id))")
    assert await query(database_url, "INSERT INTO notes.t DEFAULT VALUES RETURNING id") == [following]


@pytest.mark.asyncio
async def test_what_was_changed_by_hand_is_told(database_url: str) -> None:
    """A column dropped by hand, and a default that was changed, are in the status; the next start is not hindered."""
    text = "CREATE TABLE notes (id int PRIMARY KEY, kind text DEFAULT 'note', at date); CREATE INDEX by_kind ON notes (kind)"
    await bring_about(database_url, notes=text)
    await execute(database_url, "ALTER TABLE notes.notes DROP COLUMN at, ALTER kind SET DEFAULT 'other'; DROP INDEX notes.by_kind")
    runtime = declaring(database_url, notes=text)
    (status,) = (await MigrationOrchestrator(runtime).get_migration_status()).services
    assert len(status.drift) == 3
    for part in ("notes: column notes.at is missing", "notes: column notes.kind differs", "notes: index notes.by_kind is missing"):
        assert any(part in one for one in status.drift), status.drift
    (service,) = runtime.get_services_by_type(DatabaseMigrationService)
    assert len((await service.get_status("notes")).drift) == 3
    assert (await bring_about(database_url, notes=text)).run_id is None


@pytest.mark.asyncio
async def test_what_is_not_there_afterwards_is_no_success(database_url: str) -> None:
    """Where something on the server makes another thing of a change, the transaction is rolled back and the difference named."""
    await execute(
        database_url,
        "CREATE FUNCTION spoil() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN "
        "IF to_regclass('notes.notes') IS NOT NULL AND obj_description(to_regclass('notes.notes')) IS NULL THEN "
        "COMMENT ON TABLE notes.notes IS 'spoilt'; END IF; END$$; "
        "CREATE EVENT TRIGGER spoil ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION spoil()",
    )
    with pytest.raises(SchemaNotReached, match="table notes is not"):
        await bring_about(database_url, notes=NOTES)
    assert await tables(database_url, "notes") == []
    assert await history(database_url) == [("notes", "declared-schema", False)]
    await execute(database_url, "DROP EVENT TRIGGER spoil")
    assert names((await bring_about(database_url, notes=NOTES)).steps) == ["declared-schema"]


@pytest.mark.asyncio
async def test_several_that_fail_are_one_error(database_url: str) -> None:
    """The good ones are brought about; the error names each that was not, holds their own errors, and says how many there are."""
    await bring_about(database_url, crowded=NOTES, dropping="CREATE TABLE gone (x int)")
    await execute(database_url, "INSERT INTO crowded.notes VALUES (1, 'a'), (2, 'a')")
    with pytest.raises(SchemasFailed, match="2 plugins") as caught:
        await bring_about(database_url, crowded=NOTES + "CREATE UNIQUE INDEX one_body ON notes (body)", dropping="", good=NOTES)
    assert [name for name, _ in caught.value.failures] == ["crowded", "dropping"]
    failed, blocked = caught.value.exceptions
    assert isinstance(failed, StepFailed)
    assert isinstance(failed.__cause__, asyncpg.UniqueViolationError)
    assert isinstance(blocked, DestructiveMigrationBlocked)
    assert blocked.losses == ("gone",)
    assert await tables(database_url, "good") == ["notes"]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_a_schema_that_nobody_answers_for_is_refused(database_url: str) -> None:
    """Without the service that brings schemas about, a run that would pass them over in silence says so."""
    runtime = make_runtime(database_url, Plugin("notes", schema=NOTES), make_plugin("p"))
    with pytest.raises(SchemaServiceMissing, match="notes"):
        await MigrationOrchestrator(runtime).run_all_migrations()


@pytest.mark.asyncio
async def test_a_cancellation_leaves_no_scratch(database_url: str) -> None:
    """Cancelled at any of its awaits, a run leaves no scratch database, no lock and no half of a schema."""
    stops = 0
    for number in range(1, 400, 7):
        task = asyncio.ensure_future(cancelled_at(number, bring_about(database_url, notes=NOTES)))
        await asyncio.wait([task])
        if not task.cancelled():
            assert task.result().done == ("database-migration",)
            break
        stops += 1
        assert await query(database_url, SCRATCHES) == []
        assert await tables(database_url, "notes") in ([], ["notes"])
    assert stops > 3
    assert await residue(database_url) == []
    await bring_about(database_url, notes=NOTES)
    assert await tables(database_url, "notes") == ["notes"]


@pytest.mark.asyncio
async def test_a_drop_that_takes_too_long_hinders_nobody(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scratch database that the server is slow to drop is left to the next run; the schema is brought about all the same."""

    async def drop(*_: object) -> None:
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr("roost.schema._scratch._drop", drop)
        patch.setattr("roost.schema._scratch.DROP_SECONDS", 0)
        assert names((await bring_about(database_url, notes=NOTES)).steps) == ["declared-schema"]
    (left,) = await query(database_url, SCRATCHES)
    users = "datname = $1 OR (datname = current_database() AND application_name = 'roost scratch')"
    gone = f"SELECT WHERE NOT EXISTS (SELECT FROM pg_stat_activity WHERE {users})"
    await until(database_url, gone, left)
    assert names((await bring_about(database_url, notes=NOTES + "CREATE TABLE tags ()")).steps) == ["declared-schema"]
    assert await query(database_url, SCRATCHES) == []


@pytest.mark.asyncio
async def test_a_role_that_may_create_no_databases(database_url: str) -> None:
    """It is told so with the remedies, nothing is changed, and a server that is named for it does as well."""
    role = f"planner_{os.getpid()}"
    await execute(database_url, f"CREATE ROLE {role} LOGIN; GRANT CREATE ON DATABASE {parse_url(database_url).database} TO {role}")
    limited = replace(parse_url(database_url), user=role).dsn
    try:
        with pytest.raises(ScratchUnavailable, match=role):
            await bring_about(limited, notes=NOTES, config=replace(QUICK, scratch_url=limited))
        assert await tables(database_url, "notes") == []
        await bring_about(limited, notes=NOTES, config=replace(QUICK, scratch_url=database_url))
        assert await tables(database_url, "notes") == ["notes"]
    finally:
        await execute(database_url, f"DROP OWNED BY {role}; DROP ROLE {role}")


@pytest.mark.asyncio
async def test_a_line_that_breaks_beside_the_run_s_own(database_url: str, new_database: MakeDatabase) -> None:
    """What the declarations need is worked out again: nothing was changed by that, and the run holds its turn."""
    at = await message_of_comparison(await new_database())
    async with FaultProxy(database_url, Fault(kind="reset", at=at)) as proxy:
        report = await bring_about(proxy.url, notes=NOTES)
    assert [message.number for message in proxy.fired] == [at]
    assert names(report.steps) == ["declared-schema"]
    assert await tables(database_url, "notes") == ["notes"]
    assert await query(database_url, SCRATCHES) == []


@pytest.mark.asyncio
async def test_a_line_that_breaks_each_time(database_url: str, new_database: MakeDatabase) -> None:
    """It is told by roost's own error where it is not the run's own line, nothing is changed, and the turn is given back."""
    at = await message_of_comparison(await new_database())
    config = replace(QUICK, max_retries=1)
    async with FaultProxy(database_url, Fault(kind="reset", at=at)) as proxy:
        with pytest.raises(SessionLost):
            await bring_about(proxy.url, config=config, notes=NOTES)
    assert await tables(database_url, "notes") == []
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_a_line_that_falls_silent_beside_the_run_s_own(database_url: str, new_database: MakeDatabase) -> None:
    """The run gives up after `schema_timeout` and gives its turn back, also where nobody answers its farewell."""
    at = await message_of_comparison(await new_database())
    config = replace(QUICK, schema_timeout=5.0)
    async with FaultProxy(database_url, Fault(kind="half-open", at=at)) as proxy:
        with pytest.raises(SchemaPlanTimeout, match="not worked out in 5 s"):
            await bring_about(proxy.url, config=config, notes=NOTES)
        assert await residue(database_url) == []
        assert names((await bring_about(database_url, notes=NOTES)).steps) == ["declared-schema"]


async def message_of_comparison(url: str) -> int:
    """Return the number of a message on the comparison's own line, on a database like the one that is tried."""
    async with FaultProxy(url) as proxy:
        await bring_about(proxy.url, notes=NOTES)
    # The other lines are spoken to in the simple protocol.
    parsed = [message.number for message in proxy.messages if message.kind == "P"]
    return parsed[len(parsed) // 2]
