"""A plugin's steps taken in parts: up to a version, or so many at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pytest

from roost import MigrationOrchestrator, MigrationStep, Plugin, PluginMigrationService, RepeatableStep, Runtime
from roost.errors import (
    DatabaseAhead,
    InvalidConfiguration,
    InvalidIdentifier,
    InvalidPluginVersion,
    NoDatabase,
    RequiredStepMissing,
    SeveralMigrationServices,
    StepFailed,
    UnknownVersion,
    VersionPassed,
)
from roost.testing import Fault, FaultProxy
from tests.plugins.build import execute, make_plugin, make_runtime, migrate, names, query, residue

if TYPE_CHECKING:
    from tests.plugins.fix_postgres import MakeDatabase


def step(name: str, version: str, **fields: object) -> MigrationStep:
    """Return a step that leaves a row."""
    return MigrationStep(name, name, up=f"INSERT INTO effects VALUES ('{name}')", version=version, **fields)  # type: ignore[arg-type]


MAKE = MigrationStep("make", "make", up="CREATE TABLE effects (step text)", version="1.0.0")
STEPS = (MAKE, step("two", "1.1.0"), step("three", "1.1.0"), step("four", "2.0.0"))
VIEW = RepeatableStep("view", "view", up="CREATE OR REPLACE VIEW seen AS SELECT * FROM effects")


def service(url: str, plugin: Plugin, *others: Plugin) -> PluginMigrationService:
    """Return a plugin's service, made anew, as a process that starts would have it."""
    found = make_runtime(url, plugin, *others).get_service(f"{plugin.name}-migration")
    assert isinstance(found, PluginMigrationService)
    return found


def notes(*steps: MigrationStep) -> Plugin:
    """Return the plugin with these steps, by default all."""
    return make_plugin("notes", *(steps or STEPS), repeatable=[VIEW])


async def applied(url: str, plugin: str = "notes") -> list[str]:
    """Return a plugin's applied steps, in order."""
    return await query(url, "SELECT step FROM roost.applied WHERE plugin = $1 AND state = 'done' ORDER BY position", plugin)


async def version_of(url: str) -> str | None:
    """Return where the plugin stands."""
    found = await query(url, "SELECT version FROM roost.plugin WHERE name = 'notes'")
    return str(found[0]) if found else None


@pytest.mark.asyncio
async def test_up_to_a_version(database_url: str) -> None:
    """Its steps and none above it are run; what is repeatable waits; to reach it again is nothing; a run takes the rest."""
    report = await service(database_url, notes()).upgrade("1.1")
    assert names(report.steps) == ["make", "two", "three"]
    assert await version_of(database_url) == "1.1.0"
    assert (await service(database_url, notes()).upgrade("1.1.0")).steps == ()
    orchestrator = MigrationOrchestrator(make_runtime(database_url, notes()))
    assert await orchestrator.has_pending_migrations()
    assert names((await orchestrator.run_all_migrations()).steps) == ["four", "view"]
    assert await applied(database_url) == ["make", "two", "three", "four"]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_so_many_steps(database_url: str) -> None:
    """The next ones are run, whatever their versions; a version is reached with its last step; in the end there is nothing to do."""
    seen = []
    for _ in range(4):
        report = await service(database_url, notes()).upgrade(steps=2)
        seen.append((names(report.steps), await version_of(database_url)))
    assert seen == [(["make", "two"], "1.0.0"), (["three", "four"], "2.0.0"), (["view"], "2.0.0"), ([], "2.0.0")]
    assert await query(database_url, "SELECT step FROM effects ORDER BY 1") == ["four", "three", "two"]


@pytest.mark.asyncio
async def test_both_bounds_and_neither(database_url: str) -> None:
    """The nearer bound holds; without any the plugin's steps are run to their end."""
    assert names((await service(database_url, notes()).upgrade("1.1.0", steps=1)).steps) == ["make"]
    assert names((await service(database_url, notes()).upgrade("1.1.0", steps=9)).steps) == ["two", "three"]
    assert names((await service(database_url, notes()).upgrade()).steps) == ["four", "view"]


@pytest.mark.asyncio
async def test_a_part_is_of_one_plugin(database_url: str) -> None:
    """Other plugins are left alone, and what a step requires of them must be there."""
    other = make_plugin("other", step("other", "1.0.0", requires=("notes:two",)))
    with pytest.raises(RequiredStepMissing) as missing:
        await service(database_url, other, notes()).upgrade()
    assert missing.value.hint is not None
    assert missing.value.hint.endswith("roost up --plugin notes")
    await service(database_url, notes(), other).upgrade("1.1.0")
    assert await applied(database_url, "other") == []
    assert names((await service(database_url, other, notes()).upgrade(steps=1)).steps) == ["other"]


@pytest.mark.asyncio
async def test_a_dry_run_of_a_part(database_url: str) -> None:
    """It shows what the part would run, and writes nothing, not even the ledger."""
    report = await service(database_url, notes()).upgrade("1.1.0", steps=2, dry_run=True)
    assert names(report.steps) == ["make", "two"]
    assert (await service(database_url, notes()).upgrade("1.0.0", dry_run=True)).steps[0].sql == MAKE.up
    assert await query(database_url, "SELECT to_regnamespace('roost')") == [None]


@pytest.mark.asyncio
async def test_a_part_settles_nothing(database_url: str) -> None:
    """After a part of a newer release a start with that release still finds the rest, and one with the older code is ahead."""
    await migrate(database_url, notes(*STEPS[:2]))
    await service(database_url, notes()).upgrade(steps=1)
    for version in (None, "1.0.0"):
        with pytest.raises(DatabaseAhead):
            await service(database_url, notes(*STEPS[:2])).upgrade(version)
    assert names((await migrate(database_url, notes())).steps) == ["four"]


class Computed(PluginMigrationService):
    """Computes its steps, which have no versions of their own."""

    service_name = "computed-migration"

    def get_target_version(self) -> str:
        """Return the code's version."""
        return "3.0.0"

    def get_migration_steps(self, from_version: str, to_version: str) -> Sequence[MigrationStep]:
        """Return one step for each version on the way."""
        return [
            MigrationStep(f"to-{number}", "A step", up=f"CREATE TABLE c{number} (id int)")
            for number in (1, 2, 3)
            if self.compare_versions(from_version, f"{number}.0.0") < 0 and self.compare_versions(f"{number}.0.0", to_version) <= 0
        ]


@pytest.mark.asyncio
async def test_computed_steps_up_to_a_version(database_url: str) -> None:
    """They are asked for up to it, and the plugin stands there; the next run asks for the rest."""
    plugin = Plugin("computed", services=[Computed])
    assert names((await service(database_url, plugin).upgrade("2.0.0")).steps) == ["to-1", "to-2"]
    assert await query(database_url, "SELECT version FROM roost.plugin") == ["2.0.0"]
    assert names((await service(database_url, plugin).upgrade(steps=5)).steps) == ["to-3"]
    assert await query(database_url, "SELECT version FROM roost.plugin") == ["3.0.0"]


INDEX = MigrationStep(
    "index",
    "index",
    up="CREATE INDEX CONCURRENTLY i ON effects (step)",
    down="DROP INDEX CONCURRENTLY i",
    version="3.0.0",
    transactional=False,
)


class ComputedIndex(PluginMigrationService):
    """Computes its steps, which have versions; the last of them runs outside a transaction."""

    service_name = "notes-migration"

    def get_target_version(self) -> str:
        """Return the code's version."""
        return "3.0.0"

    def get_migration_steps(self, from_version: str, to_version: str) -> Sequence[MigrationStep]:
        """Return the steps on the way."""
        above = [one for one in (*STEPS, INDEX) if self.compare_versions(one.version, from_version) > 0]
        return [one for one in above if self.compare_versions(one.version, to_version) <= 0]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "plugin", [Plugin("notes", services=[ComputedIndex]), make_plugin("notes", *STEPS, INDEX)], ids=["computed", "listed"]
)
async def test_a_part_ends_what_was_begun(database_url: str, plugin: Plugin) -> None:
    """A step of a higher version that a killed run left half done is ended first, and the plugin is no further than it was to go."""
    await migrate(database_url, plugin)
    back = "DELETE FROM roost.applied WHERE step = 'four'; DROP INDEX i; UPDATE roost.plugin SET version = '1.1.0', settled = NULL"
    await execute(database_url, f"UPDATE roost.applied SET state = 'intent' WHERE step = 'index'; {back}")
    report = await service(database_url, plugin).upgrade("2.0.0")
    assert (names(report.steps), await version_of(database_url)) == (["index", "four"], "2.0.0")
    assert names((await migrate(database_url, plugin)).steps) == []
    assert await version_of(database_url) == "3.0.0"


@pytest.mark.asyncio
@pytest.mark.parametrize("dry_run", [True, False])
async def test_a_part_of_computed_steps_goes_on_from_a_way_back(database_url: str, dry_run: bool) -> None:  # noqa: FBT001 -- a parameter
    """A step whose way back a killed rollback left half done is gone before the steps are asked for, and is among them."""
    later = {"get_target_version": lambda _: "4.0.0", "service_name": "notes-migration"}
    plugin = Plugin("notes", services=[type("Later", (ComputedIndex,), later)])
    await migrate(database_url, plugin)
    await execute(database_url, "DROP INDEX i; UPDATE roost.applied SET state = 'undoing' WHERE step = 'index'")
    await execute(database_url, "UPDATE roost.plugin SET settled = NULL")
    report = await service(database_url, plugin).upgrade("3.0.0", dry_run=dry_run)
    assert [(one.step, one.direction) for one in report.steps] == [("index", "down"), ("index", "up")]


@pytest.mark.asyncio
async def test_versions_that_no_part_can_end_at(database_url: str) -> None:
    """Above the code's target, between its versions, below where the plugin is, malformed: refused, and nothing is run."""
    bad: list[tuple[Callable[[PluginMigrationService], object], type[Exception], str]] = [
        (lambda one: one.upgrade("2.0.1"), UnknownVersion, r"no version 2\.0\.1: the code aims at 2\.0\.0"),
        (lambda one: one.upgrade("1.0.5"), UnknownVersion, "none of its steps"),
        (lambda one: one.upgrade("head"), InvalidPluginVersion, "head"),
        (lambda one: one.upgrade(steps=0), InvalidConfiguration, "steps=0"),
    ]
    for call, error, words in bad:
        with pytest.raises(error, match=words):
            await call(service(database_url, notes()))  # type: ignore[misc]
    assert await query(database_url, "SELECT count(*) FROM pg_tables WHERE tablename = 'effects'") == [0]
    await service(database_url, notes()).upgrade("1.1.0")
    with pytest.raises(VersionPassed, match=r"already at version 1\.1\.0, above 1\.0\.0") as passed:
        await service(database_url, notes()).upgrade("1.0.0")
    assert passed.value.hint == "to go back: roost down --plugin notes --to 1.0.0"
    with pytest.raises(NoDatabase):
        await Runtime(plugins=[notes()]).get_service("notes-migration").upgrade()


@pytest.mark.asyncio
@pytest.mark.parametrize("dry_run", [False, True])
async def test_a_part_is_refused_as_the_whole_is(database_url: str, dry_run: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    """A schema that can't be a plugin's, and two chains of one plugin: nothing is run, and in no schema of ours."""
    with pytest.raises(InvalidIdentifier, match="keeps its ledger"):
        await service(database_url, make_plugin("notes", *STEPS, schema="roost")).upgrade(dry_run=dry_run)
    chains = [type(name, (PluginMigrationService,), {"service_name": name, "steps": STEPS}) for name in ("notes-migration", "second")]
    with pytest.raises(SeveralMigrationServices):
        await service(database_url, Plugin("notes", services=chains)).upgrade(dry_run=dry_run)
    assert await query(database_url, "SELECT to_regnamespace('roost')") == [None]


@pytest.mark.asyncio
async def test_a_part_that_fails(database_url: str) -> None:
    """What was run before stays, and the next part begins at the step that failed."""
    broken = notes(MAKE, MigrationStep("two", "two", up="SELECT 1/0", version="1.1.0"), *STEPS[2:])
    with pytest.raises(StepFailed):
        await service(database_url, broken).upgrade("1.1.0")
    assert await applied(database_url) == ["make"]
    assert names((await service(database_url, notes()).upgrade(steps=1)).steps) == ["two"]


@pytest.mark.asyncio
async def test_answers_that_are_lost_in_a_part(new_database: MakeDatabase) -> None:
    """Whichever answer is lost with the connection: the run connects anew and takes two steps, each once, and no third."""
    async with FaultProxy(await new_database()) as line:
        await service(line.url, notes()).upgrade(steps=2)
    sent = [message.number for message in line.messages if message.direction == "to server"]
    assert sent
    for number in sent:
        url = await new_database()
        async with FaultProxy(url, Fault(kind="swallow", at=number)) as line:
            report = await service(line.url, notes()).upgrade(steps=2)
        assert names(report.steps) == ["make", "two"], number
        assert await applied(url) == ["make", "two"], number
        assert await query(url, "SELECT step FROM effects") == ["two"], number
