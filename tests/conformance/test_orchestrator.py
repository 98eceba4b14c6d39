"""Section C: the orchestrator. What it finds, in which order it awaits, and what it tells."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from roost import Database, MigrationOrchestrator, MigrationReport, MigrationStep, Plugin, Runtime
from roost.migrations import IMigrationService, run_plugin_migrations
from roost.testing import RoundTripProxy
from tests.plugins.build import QUICK, applied, history, make_plugin, make_runtime, query, residue, traces

JAN_1 = datetime(2024, 1, 1, tzinfo=UTC)
JAN_2 = datetime(2024, 1, 2, tzinfo=UTC)


class Fake:
    """A service that has only what the protocol asks for, and notes how it is used."""

    service_type = "migration"

    def __init__(
        self, name: str, *, records: Sequence[Any] = (), version: str | None = None, brings: bool = True, error: Exception | None = None
    ) -> None:
        self.service_name = name
        self.calls: list[object] = []
        self.filters: list[str | None] = []
        self._records, self._version, self._brings, self._error = list(records), version, brings, error

    async def run_migrations(self, runtime: Any, /) -> None:
        self.calls.append(runtime)
        if self._error is not None:
            raise self._error

    async def get_migration_history(self, plugin_name: str | None = None, /) -> Sequence[Any]:
        self.filters.append(plugin_name)
        return [record for record in self._records if plugin_name in (None, record.plugin)]

    async def get_plugin_version(self, plugin_name: str, /) -> str | None:
        return self._version

    def has_plugin_migrations(self, plugin_name: str, /) -> bool:
        return self._brings


class Host:
    """Stands in for a runtime: it knows its services by type, and notes which type was asked for."""

    def __init__(self, *services: Any) -> None:
        self.asked: list[str] = []
        self._services = services

    def get_services_by_type(self, service_type: str) -> list[Any]:
        self.asked.append(service_type)
        return list(self._services)


def orchestrate(*services: Any) -> MigrationOrchestrator:
    """Return an orchestrator of these services."""
    return MigrationOrchestrator(Host(*services))  # type: ignore[arg-type]  # the contract lets any such object stand in


def record(plugin: str, executed_at: datetime) -> SimpleNamespace:
    """Return a row of a history that is not roost's."""
    return SimpleNamespace(plugin=plugin, executed_at=executed_at)


def names(services: Sequence[IMigrationService]) -> list[str]:
    """Return the services' names."""
    return [service.service_name for service in services]


@pytest.mark.asyncio
async def test_OR_01_services_are_found_by_type() -> None:
    """OR-01: discovery asks the runtime for the type 'migration' and gets both; none: it returns normally."""
    one, two = Fake("one"), Fake("two")
    host = Host(one, two)
    assert MigrationOrchestrator(host).get_migration_services() == [one, two]  # type: ignore[arg-type]
    assert host.asked == ["migration"]
    report = await orchestrate().run_all_migrations()
    assert (report.done, report.failed, report.run_id) == ((), (), None)


def test_OR_03_the_database_service_is_first_then_names() -> None:
    """OR-03: [plugin-x, database-migration]: database first; [z-migration, a-migration]: a, z."""
    for given, expected in (
        (["plugin-x", "database-migration"], ["database-migration", "plugin-x"]),
        (["z-migration", "a-migration"], ["a-migration", "z-migration"]),
    ):
        services = [Fake(name) for name in given]
        assert names(orchestrate().sort_migration_services(services)) == expected


@pytest.mark.asyncio
async def test_OR_06_the_first_failure_ends_the_run() -> None:
    """OR-06: the first service raises 'Migration failed': the same message is raised, the second isn't called."""
    failure = RuntimeError("Migration failed")
    first, second = Fake("a", error=failure), Fake("b")
    with pytest.raises(RuntimeError, match="Migration failed") as caught:
        await orchestrate(first, second).run_all_migrations()
    assert caught.value is failure
    assert str(failure) == "Migration failed"
    assert (len(first.calls), second.calls) == (1, [])


@pytest.mark.asyncio
async def test_OR_08_histories_are_joined() -> None:
    """OR-08: core 2024-01-01 and plugin-x 2024-01-02: two rows, plugin-x first; a filter is passed to each service."""
    core = Fake("database-migration", records=[record("core", JAN_1)])
    extra = Fake("plugin-x", records=[record("plugin-x", JAN_2)])
    orchestrator = orchestrate(core, extra)
    assert [row.plugin for row in await orchestrator.get_migration_history()] == ["plugin-x", "core"]
    assert [row.plugin for row in await orchestrator.get_migration_history("plugin-x")] == ["plugin-x"]
    assert core.filters == extra.filters == [None, "plugin-x"]


@pytest.mark.asyncio
async def test_OR_09_a_service_may_have_no_history() -> None:
    """OR-09: one service lacks a history: only the other's rows."""
    silent = SimpleNamespace(service_name="silent", service_type="migration")
    rows = await orchestrate(silent, Fake("plugin-x", records=[record("plugin-x", JAN_2)])).get_migration_history()
    assert [(row.plugin, row.executed_at) for row in rows] == [("plugin-x", JAN_2)]


@pytest.mark.asyncio
async def test_OR_11_status_of_every_service() -> None:
    """OR-11: total 2; database-migration with its last run and version, then plugin-x; the last migration is the newer one."""
    extra = Fake("plugin-x", records=[record("plugin-x", JAN_2)], version="2.0.0")
    core = Fake("database-migration", records=[record("core", JAN_1)], version="1.0.0")
    status = await orchestrate(extra, core).get_migration_status()
    assert (status.total_services, status.last_migration) == (2, JAN_2)
    assert [(one.service_name, one.has_migrations, one.last_run, one.version) for one in status.services] == [
        ("database-migration", True, JAN_1, "1.0.0"),
        ("plugin-x", True, JAN_2, "2.0.0"),
    ]


@pytest.mark.asyncio
async def test_OR_12_status_without_history() -> None:
    """OR-12: no history: last run none, version none, has_migrations true."""
    status = await orchestrate(Fake("plugin-x")).get_migration_status()
    (one,) = status.services
    assert (one.has_migrations, one.last_run, one.version, status.last_migration) == (True, None, None, None)


@pytest.mark.asyncio
async def test_OR_13_pending_is_what_has_no_version_yet() -> None:
    """OR-13: version none for a plugin with migrations: pending; none has migrations: not; a service that can't say is skipped."""
    unable = SimpleNamespace(service_name="unable", service_type="migration")
    unversioned = SimpleNamespace(service_name="unversioned", service_type="migration", has_plugin_migrations=lambda _plugin: True)
    answers = [
        await orchestrate(Fake("at-one", version="1.0.0"), Fake("fresh")).has_pending_migrations(),
        await orchestrate(Fake("at-one", version="1.0.0")).has_pending_migrations(),
        await orchestrate(Fake("empty", brings=False)).has_pending_migrations(),
        await orchestrate(unable, unversioned).has_pending_migrations(),
        await orchestrate(unable, Fake("fresh")).has_pending_migrations(),
    ]
    assert answers == [True, False, False, False, True]


@pytest.mark.asyncio
async def test_OR_21_status_follows_the_run() -> None:
    """OR-21: idle, running, then completed or failed with its error; in progress only while running."""
    entered, go_on = asyncio.Event(), asyncio.Event()

    class Held(Fake):
        async def run_migrations(self, runtime: Any, /) -> None:
            entered.set()
            await go_on.wait()

    orchestrator = orchestrate(Held("a"), Fake("b", error=RuntimeError("Migration failed")))
    seen = []

    async def look() -> None:
        services = (await orchestrator.get_migration_status()).services
        seen.append((orchestrator.is_migration_in_progress(), [(one.state, one.error) for one in services]))

    await look()
    run = asyncio.create_task(orchestrator.run_all_migrations())
    await entered.wait()
    await look()
    go_on.set()
    with pytest.raises(RuntimeError, match="Migration failed"):
        await run
    await look()
    assert seen == [
        (False, [("idle", None), ("idle", None)]),
        (True, [("running", None), ("idle", None)]),
        (False, [("completed", None), ("failed", "Migration failed")]),
    ]


@pytest.mark.asyncio
async def test_OR_24_auto_migrate_off() -> None:
    """OR-24: auto_migrate off: nothing runs, status says skipped."""
    service = Fake("plugin-x", version="1.0.0")
    runtime = Runtime(services=[service], auto_migrate=False)
    async with runtime:
        await MigrationOrchestrator(runtime).prepare(runtime.plugins)
        status = await MigrationOrchestrator(runtime).get_migration_status()
    assert service.calls == []
    assert [one.state for one in status.services] == ["skipped"]


def test_OR_25_priorities_and_dependencies() -> None:
    """OR-25: b=10, a=0, c=10: b, c, a; database-migration first whatever its number; a plugin dependency outranks priority."""

    def service(name: str, priority: int) -> Fake:
        fake = Fake(name)
        fake.priority = priority  # type: ignore[attr-defined]  # optional in the protocol
        return fake

    a, b, c, core = service("a", 0), service("b", 10), service("c", 10), service("database-migration", -5)
    sort = orchestrate().sort_migration_services
    assert names(sort([a, b, c])) == ["b", "c", "a"]
    assert names(sort([a, b, c, core])) == ["database-migration", "b", "c", "a"]
    base, user = Plugin("base", services=[a]), Plugin("user", services=[b], dependencies=["base"])
    runtime = Runtime(plugins=[user, base])
    assert names(MigrationOrchestrator(runtime).sort_migration_services([b, a])) == ["a", "b"]


@pytest.mark.asyncio
async def test_OR_26_both_entries_share_lock_and_ledger(database_url: str) -> None:
    """OR-26: run_plugin_migrations, then run_all_migrations, and the reverse: the second does nothing, the hook ran once, locked."""
    left: list[str] = []

    async def hook(db: Database) -> None:
        left.extend(await traces(database_url))
        await db.execute("SELECT 1")

    async def old(plugin: Plugin) -> MigrationReport:
        with pytest.warns(DeprecationWarning, match="MigrationOrchestrator"):
            return await run_plugin_migrations(database_url, [plugin])

    async def new(plugin: Plugin) -> MigrationReport:
        return await MigrationOrchestrator(make_runtime(database_url, plugin)).run_all_migrations()

    step = MigrationStep("s", "S", up="SELECT 1", version="1.0.0")
    ran, written = [], []
    for name, entries in (("p", [old, new]), ("q", [new, old])):
        plugin = make_plugin(name, step, run_plugin_migrations=hook)
        for entry in entries:
            ran.append([report.step for report in (await entry(plugin)).steps])
            written.append(await history(database_url, name))
    assert ran == [["run-plugin-migrations", "s"], [], ["run-plugin-migrations", "s"], []]
    assert written[0] == written[1] == [("p", "run-plugin-migrations", True), ("p", "s", True)]
    assert written[2] == written[3] == [("q", "run-plugin-migrations", True), ("q", "s", True)]
    assert left.count("advisory lock") == 2
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_OR_27_the_protocol_is_enough() -> None:
    """OR-27: a class that only satisfies IMigrationService is discovered, ordered and awaited."""
    z, a = Fake("z"), Fake("a")
    assert isinstance(z, IMigrationService)
    runtime = Runtime(services=[z, a])
    orchestrator = MigrationOrchestrator(runtime)
    assert orchestrator.get_migration_services() == [z, a]
    report = await orchestrator.run_all_migrations()
    assert report.done == ("a", "z")
    assert (a.calls, z.calls) == ([runtime], [runtime])


@pytest.mark.asyncio
async def test_OR_28_a_start_after_a_run_is_one_round_trip(database_url: str, proxy: RoundTripProxy) -> None:
    """OR-28: an orchestrator on a runtime that isn't started, then its start: each step ran once, the start was one round trip."""
    steps = [MigrationStep(f"s{number}", "S", up=f"CREATE TABLE s{number} (id int)", version="1.0.0") for number in range(3)]
    runtime = make_runtime(proxy.url, make_plugin("p", *steps), config=QUICK)
    await MigrationOrchestrator(runtime).run_all_migrations()
    proxy.reset()
    async with runtime:
        assert proxy.round_trips == 1
    assert await applied(database_url) == [("p", "s0"), ("p", "s1"), ("p", "s2")]
    assert await query(database_url, "SELECT count(*) FROM roost.history") == [3]
