"""Several steps are claimed at once: those that a function chooses among all steps of a plugin."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import pytest

from roost import MigrationOrchestrator, MigrationStep, Plugin, PluginMigrationService
from roost.errors import (
    ClaimNotFound,
    RequiredStepMissing,
    StepEscaped,
    StepsLeftOut,
    UnknownMigrationPlugin,
)
from roost.migrations import Policy
from roost.migrations._plan import Plan, PluginState
from tests.plugins.build import applied, execute, make_plugin, make_runtime, migrate, names, query

STEPS = tuple(
    MigrationStep(name, f"Make {name}", up=f"CREATE TABLE {name} (id int)", down=f"DROP TABLE {name}", version=f"{number}.0.0")
    for number, name in enumerate(("one", "two", "three", "four"), start=1)
)
ROWS = "SELECT step, version, state, fingerprint, normal_form, chain, breaking, requires, down_sql FROM roost.applied ORDER BY position"
HEAD = "SELECT version, chain FROM roost.plugin"


def these(*chosen: str) -> Callable[[Sequence[MigrationStep]], Collection[str]]:
    """Return what chooses these steps."""
    return lambda steps: [step.id for step in steps if step.id in chosen]


def orchestrator(url: str, *plugins: Plugin) -> MigrationOrchestrator:
    return MigrationOrchestrator(make_runtime(url, *plugins or (make_plugin("numbers", *STEPS),)))


@pytest.mark.asyncio
async def test_it_is_as_if_they_had_been_run(database_url: str) -> None:
    """Rows and head are those that runs would have left, also where it is done in two goes; what is claimed already is not written."""
    await execute(database_url, "CREATE TABLE one (id int); CREATE TABLE two (id int); CREATE TABLE three (id int)")
    one = orchestrator(database_url)
    first = await one.claim("numbers", these("one"))
    second = await one.claim("numbers", these("one", "two", "three"))
    assert [(claimed.steps, claimed.version, claimed.run) for claimed in (first, second)] == [
        (("one",), "1.0.0", 1),
        (("two", "three"), "3.0.0", 2),
    ]
    nothing = await one.claim("numbers", these("one", "two"))
    assert (nothing.steps, nothing.version, nothing.run) == ((), "3.0.0", None)
    assert await query(database_url, "SELECT count(*) FROM roost.run") == [2]
    claimed_rows = await query(database_url, ROWS), await query(database_url, HEAD)
    await execute(database_url, "DROP SCHEMA roost CASCADE; DROP TABLE one, two, three")
    await migrate(database_url, make_plugin("numbers", *STEPS[:3]))
    assert (await query(database_url, ROWS), await query(database_url, HEAD)) == claimed_rows


@pytest.mark.asyncio
async def test_what_is_refused(database_url: str) -> None:
    """A gap, a plugin that is not there, what the database lacks, and what another plugin must have first; nothing is written."""
    one = orchestrator(database_url)
    with pytest.raises(StepsLeftOut) as caught:
        await one.claim("numbers", these("one", "four"), check=False)
    assert (caught.value.steps, caught.value.before) == (("two", "three"), "four")
    with pytest.raises(UnknownMigrationPlugin):
        await one.claim("number", these("one"))
    with pytest.raises(ClaimNotFound, match=r"table public\.one is not there"):
        await one.claim("numbers", these("one"))
    needy = make_plugin("needy", MigrationStep("x", "X", up="SELECT 1", version="1.0.0", requires=("numbers:one",)))
    with pytest.raises(RequiredStepMissing):
        await orchestrator(database_url, make_plugin("numbers", *STEPS), needy).claim("needy", these("x"))
    assert await query(database_url, "SELECT to_regnamespace('roost')::text") == [None]


@pytest.mark.asyncio
async def test_a_step_in_doubt(database_url: str) -> None:
    """Nothing is claimed behind a step of which nobody knows what became of it."""
    await migrate(database_url, make_plugin("numbers", STEPS[0]))
    await execute(database_url, "UPDATE roost.applied SET state = 'escaped'")
    with pytest.raises(StepEscaped):
        await orchestrator(database_url).claim("numbers", these("one", "two"), check=False)


class Computed(PluginMigrationService):
    """Steps without versions, computed from two versions."""

    service_name = "computed-migration"

    def get_target_version(self) -> str:
        return "3.0.0"

    def get_migration_steps(self, from_version: str, to_version: str) -> Sequence[MigrationStep]:
        return [MigrationStep(f"to-{version}", "Go on", up="SELECT 1") for version in ("1", "2", "3") if from_version < version]


@pytest.mark.asyncio
async def test_computed_steps(database_url: str) -> None:
    """They are chosen among those that lead from nothing to the target, and the next run takes the rest."""
    one = orchestrator(database_url, Plugin("computed", services=[Computed]))
    assert (await one.claim("computed", these("to-1", "to-2"))).steps == ("to-1", "to-2")
    assert names((await one.run_all_migrations()).steps) == ["to-3"]
    assert await applied(database_url) == [("computed", "to-1"), ("computed", "to-2"), ("computed", "to-3")]


@pytest.mark.asyncio
async def test_a_plan_of_its_own_decides(database_url: str) -> None:
    """Of a service that overrides `plan`, no step is claimed that a run of it would not take."""

    class First(PluginMigrationService):
        service_name = "first-migration"
        steps = STEPS

        def plan(self, state: PluginState, policy: Policy, /) -> Plan:
            plan = super().plan(state, policy)
            return replace(plan, steps=plan.steps[:1])

    await execute(database_url, "CREATE TABLE one (id int); CREATE TABLE two (id int)")
    claimed = await orchestrator(database_url, Plugin("numbers", services=[First])).claim("numbers", these("one", "two"))
    assert claimed.steps == ("one",)
    assert await applied(database_url) == [("numbers", "one")]
