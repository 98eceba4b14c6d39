"""Section B: migrations of one plugin."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from roost import MigrationOrchestrator, MigrationStep, Plugin, PluginMigrationService, Runtime
from roost.errors import StepFailed
from roost.migrations import ServiceMigrationFinished, compare_versions, narrate
from roost.migrations._plan import AppliedStep, PluginState
from tests.plugins.build import applied, history, make_plugin, make_runtime, migrate, names, query, residue

S1 = MigrationStep("s1", "Create a", up="CREATE TABLE a (id int PRIMARY KEY)", down="DROP TABLE a", version="1.0.0")
S2 = MigrationStep("s2", "Add a note", up="ALTER TABLE a ADD note text", down="ALTER TABLE a DROP note", version="2.0.0")
S3 = MigrationStep("s3", "Create b", up="CREATE TABLE b (id int PRIMARY KEY, a_id int REFERENCES a)", down="DROP TABLE b", version="3.0.0")
DEMO = (S1, S2, S3)


def demo_runtime(url: str) -> tuple[Runtime, PluginMigrationService]:
    """Return a runtime with the plugin `demo` and its service."""
    runtime = make_runtime(url, make_plugin("demo", *DEMO))
    (service,) = runtime.get_services_by_type("migration")
    return runtime, service


class Asked(PluginMigrationService):
    """A service in the computed form that notes what it is asked for."""

    service_name = "asked"
    target = "3.0.0"
    offered: Sequence[MigrationStep] = (S2, S3)

    def __init__(self, runtime: Runtime | None = None) -> None:
        super().__init__(runtime)
        self.asked: list[tuple[str, str]] = []

    def get_target_version(self) -> str:
        return self.target

    def get_migration_steps(self, from_version: str, to_version: str) -> Sequence[MigrationStep]:
        self.asked.append((from_version, to_version))
        return self.offered


def state_at(version: str, *steps: str) -> PluginState:
    """Return a ledger's state with these steps applied."""
    rows = [
        AppliedStep(step=step, version=version, state="done", fingerprint="", chain="", breaking=False, requires=(), run=1)
        for step in steps
    ]
    return PluginState(version=version, applied=tuple(rows))


@pytest.mark.asyncio
async def test_PM_01_all_steps_run_in_order(database_url: str) -> None:
    """PM-01: on an empty database ups 1, 2, 3 run in order; version 3.0.0; the newest history row is a success of 3.0.0."""
    runtime, service = demo_runtime(database_url)
    report = await MigrationOrchestrator(runtime).run_all_migrations()
    assert names(report.steps) == ["s1", "s2", "s3"]
    assert await service.get_plugin_version("demo") == "3.0.0"
    newest = (await service.get_migration_history("demo"))[0]
    assert (newest.step, newest.version, newest.success) == ("s3", "3.0.0", True)
    columns = "SELECT table_name::text, column_name::text FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2"
    assert await query(database_url, columns) == [("a", "id"), ("a", "note"), ("b", "a_id"), ("b", "id")]
    assert await residue(database_url) == []


def test_PM_02_steps_are_asked_for_once() -> None:
    """PM-02: at 1.0.0 the steps are asked for once, with ('1.0.0', '3.0.0'), and only ups 2 and 3 are planned."""
    service = Asked()
    plan = service.plan(state_at("1.0.0", "s1"), "strict")
    assert service.asked == [("1.0.0", "3.0.0")]
    assert [planned.step.id for planned in plan.steps] == ["s2", "s3"]


def test_PM_03_nothing_is_asked_at_the_target() -> None:
    """PM-03: at 3.0.0 the steps are not asked for, there is nothing to run or to record, and it is said."""
    service = Asked()
    plan = service.plan(state_at("3.0.0", "s1", "s2", "s3"), "strict")
    assert service.asked == []
    assert (plan.steps, plan.from_version, plan.target) == ((), "3.0.0", "3.0.0")
    event = ServiceMigrationFinished(service="asked", plugin="demo", version=plan.from_version, steps=0, duration=0.0, error=None)
    assert narrate(event) == "Plugin demo is already at version 3.0.0"


@pytest.mark.asyncio
async def test_PM_04_a_version_may_need_no_step(database_url: str) -> None:
    """PM-04: a target ahead with an empty list of steps is no error; the version is the target, and it isn't asked for again."""

    class Empty(Asked):
        service_name = "empty"
        offered = ()

    runtime = make_runtime(database_url, Plugin("demo", services=[Empty]))
    service = runtime.get_service(Empty)
    await MigrationOrchestrator(runtime).run_all_migrations()
    assert service.asked == [("0.0.0", "3.0.0")]
    assert await service.get_plugin_version("demo") == "3.0.0"
    again = await MigrationOrchestrator(runtime).run_all_migrations()
    assert (service.asked, again.run_id) == ([("0.0.0", "3.0.0")], None)


@pytest.mark.asyncio
async def test_PM_05_a_failing_step_is_raised_and_recorded(database_url: str) -> None:
    """PM-05: step 2 raises 'Migration step failed' on the server: it is raised, and a failure row has that text."""
    fail = MigrationStep("s2", "Fails", up="DO $$BEGIN RAISE EXCEPTION 'Migration step failed'; END$$", version="2.0.0")
    runtime = make_runtime(database_url, make_plugin("demo", S1, fail, S3))
    with pytest.raises(StepFailed, match="Migration step failed"):
        await MigrationOrchestrator(runtime).run_all_migrations()
    (service,) = runtime.get_services_by_type("migration")
    newest = (await service.get_migration_history("demo"))[0]
    assert (newest.step, newest.success, newest.error) == ("s2", False, "Migration step failed")
    assert await history(database_url) == [("demo", "s1", True), ("demo", "s2", False)]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_PM_07_rollback_to_a_version(database_url: str) -> None:
    """PM-07: from 3.0.0 to 1.0.0 downs 3 and 2 run, the version is 1.0.0, and the rows of `a` are kept."""
    runtime, service = demo_runtime(database_url)
    await MigrationOrchestrator(runtime).run_all_migrations()
    await query(database_url, "INSERT INTO a (id, note) VALUES (1, 'x'), (2, 'y') RETURNING 1")
    report = await service.rollback("1.0.0")
    assert names(report.steps) == ["s3", "s2"]
    assert await service.get_plugin_version("demo") == "1.0.0"
    assert await query(database_url, "SELECT id FROM a ORDER BY id") == [1, 2]
    assert await query(database_url, "SELECT to_regclass('b')") == [None]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_PM_12_rollback_of_everything(database_url: str) -> None:
    """PM-12: without a target downs 3, 2, 1 run, the version is none, and both tables are gone."""
    runtime, service = demo_runtime(database_url)
    await MigrationOrchestrator(runtime).run_all_migrations()
    report = await service.rollback()
    assert names(report.steps) == ["s3", "s2", "s1"]
    assert await service.get_plugin_version("demo") is None
    assert await query(database_url, "SELECT to_regclass('a'), to_regclass('b')") == [(None, None)]
    assert await applied(database_url) == []
    assert await residue(database_url) == []


def test_PM_16_versions_compare() -> None:
    """PM-16: 1.0.0 < 2.0.0; 1.0.1 > 1.0.0; 1.9.0 < 1.10.0; 1.0.0 = 1.0.0; unversioned is below any."""
    pairs = [("1.0.0", "2.0.0"), ("1.0.1", "1.0.0"), ("1.9.0", "1.10.0"), ("1.0.0", "1.0.0"), (None, "0.0.1"), (None, None)]
    assert [compare_versions(a, b) for a, b in pairs] == [-1, 1, -1, 0, -1, 0]


@pytest.mark.asyncio
async def test_PM_25_step_ids_are_a_plugins_own(database_url: str) -> None:
    """PM-25: plugins x and y both have a step `init`: both run, in rows of their own."""
    x = make_plugin("x", MigrationStep("init", "Init", up="CREATE TABLE x (id int)", version="1.0.0"))
    y = make_plugin("y", MigrationStep("init", "Init", up="CREATE TABLE y (id int)", version="1.0.0"))
    await migrate(database_url, x, y)
    assert await history(database_url) == [("x", "init", True), ("y", "init", True)]
    assert await applied(database_url) == [("x", "init"), ("y", "init")]
