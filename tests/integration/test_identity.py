"""What a step is: by its plugin, its id and its tokens; and what becomes of code and database that don't fit each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pytest

from roost import (
    Database,
    MigrationConfig,
    MigrationContext,
    MigrationOrchestrator,
    MigrationStep,
    Plugin,
    PluginMigrationService,
    SqlMigrationService,
)
from roost.errors import (
    DatabaseAhead,
    DuplicateStep,
    HistoriesDiverged,
    InvalidSqlFile,
    RequiredStepMissing,
    RoostError,
    StepFailed,
    StepsMissing,
    StepsOutOfOrder,
)
from roost.migrations import ChangedStep, DatabaseAheadNoticed, PolicyNoticed, StepsChanged
from roost.migrations import _ledger as ledger
from roost.migrations._plan import AppliedStep
from tests.plugins.build import QUICK, applied, execute, history, make_plugin, make_runtime, migrate, names, query, residue

Declare: TypeAlias = Callable[..., Plugin]
"""Returns plugin p with steps, and the version that they lead to."""

ALLOW = replace(QUICK, policy="allow")


def step(name: str, sql: str | None = None, *, breaking: bool = False, requires: tuple[str, ...] = ()) -> MigrationStep:
    """Return a step that makes a table of its name."""
    return MigrationStep(name, name, up=sql or f"CREATE TABLE {name} (id int)", breaking=breaking, requires=requires)


A, B, C, D = step("a"), step("b"), step("c"), step("d")


def listed(*steps: MigrationStep, version: str = "1.0.0") -> Plugin:
    """Declare steps in a list."""
    return make_plugin("p", *steps, version=version)


def computed(*steps: MigrationStep, version: str = "1.0.0") -> Plugin:
    """Declare steps in the computed form, which returns all of them whenever it is asked."""

    class Computing(PluginMigrationService):
        service_name = "p-migration"

        def get_target_version(self) -> str:
            return version

        def get_migration_steps(self, from_version: str, to_version: str) -> Sequence[MigrationStep]:
            return steps

    return Plugin("p", version=version, services=[Computing])


@pytest.fixture
def files(tmp_path: Path) -> Declare:
    """Declare steps as files; what they can't say by themselves their service adds."""
    folders = iter(range(100))

    def declare(*steps: MigrationStep, version: str = "1.0.0") -> Plugin:
        folder = tmp_path / str(next(folders))
        folder.mkdir()
        for one in steps:
            (folder / f"{one.id}.sql").write_bytes(str(one.up).encode())

        class Files(SqlMigrationService):
            service_name = "p-migration"
            directory = folder

            def load_steps(self) -> Sequence[MigrationStep]:
                said = {one.id: one for one in steps}
                return [replace(one, breaking=said[one.id].breaking, requires=said[one.id].requires) for one in super().load_steps()]

        return Plugin("p", version=version, services=[Files])

    return declare


@pytest.fixture(params=["listed", "computed", "files"])
def declare(request: pytest.FixtureRequest) -> Declare:
    """Each way in which steps are declared."""
    ways: dict[str, Declare] = {"listed": listed, "computed": computed}
    way: Declare = ways.get(request.param) or request.getfixturevalue("files")
    return way


async def told_by(url: str, plugin: Plugin, event: type, config: MigrationConfig = QUICK) -> tuple[list[str], list[object]]:
    """Migrate and return the steps that were run and the events of a kind."""
    runtime = make_runtime(url, plugin, config=config)
    told: list[object] = []
    runtime.events.subscribe(told.append, event)
    report = await MigrationOrchestrator(runtime).run_all_migrations()
    return names(report.steps), told


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "edited",
    [
        "-- Of all notes.\nCREATE TABLE a (\n\tid int, -- the key\n\tt text DEFAULT 'x  y'\n)",
        "CREATE TABLE a(id int,t text DEFAULT 'x  y')",
        "CREATE TABLE a (id int, t text\r\nDEFAULT 'x  y')\r\n",
        "/* was: /* int */ bigint */ CREATE TABLE a (id int, t text DEFAULT 'x  y')",
    ],
)
async def test_other_layout_is_the_same_step(database_url: str, declare: Declare, edited: str) -> None:
    """A step that was laid out or commented anew is told by nobody; it is settled once more, and then there is nothing to do."""
    before = step("a", "CREATE TABLE a (id int, t text DEFAULT 'x  y')")
    await migrate(database_url, declare(before))
    code = declare(step("a", edited), B, version="2.0.0")
    assert await told_by(database_url, code, StepsChanged) == (["b"], [])
    assert (await migrate(database_url, code)).run_id is None
    laid_out = declare(step("a", f"{edited}\n"), B, version="2.0.0")
    assert await told_by(database_url, laid_out, StepsChanged) == ([], [])
    assert (await migrate(database_url, laid_out)).run_id is None
    assert len(await history(database_url, "p")) == 2


@pytest.mark.asyncio
async def test_a_byte_order_mark_is_no_change(database_url: str, files: Declare) -> None:
    """An editor that leaves one before a file has edited nothing."""
    await migrate(database_url, files(A))
    assert await told_by(database_url, files(step("a", f"\ufeff{A.up}"), B), StepsChanged) == (["b"], [])


@pytest.mark.asyncio
async def test_another_token_is_drift(database_url: str, declare: Declare) -> None:
    """It is told by an event, the report, a dry run and the status, and never run; what is new is run beside it."""
    await migrate(database_url, declare(A))
    code = declare(step("a", "CREATE TABLE a_edited (id int)"), B, version="2.0.0")
    orchestrator = MigrationOrchestrator(make_runtime(database_url, code))
    changed = (ChangedStep(plugin="p", step="a", is_function=False),)
    assert (await orchestrator.get_migration_status()).services[0].changed == changed
    assert (await orchestrator.run_all_migrations(dry_run=True)).changed == changed
    assert await told_by(database_url, code, StepsChanged) == (["b"], [StepsChanged(plugin="p", steps=("a",))])
    assert (await migrate(database_url, code)).run_id is None
    assert await query(database_url, "SELECT to_regclass('a_edited')") == [None]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_without_a_normal_form_the_bytes_decide(database_url: str, declare: Declare) -> None:
    """Of a step that an older roost ran the ledger holds no more than its bytes."""
    await migrate(database_url, declare(A))
    await execute(database_url, "UPDATE roost.applied SET normal_form = NULL")
    _, told = await told_by(database_url, declare(step("a", f"{A.up} -- why"), B, version="2.0.0"), StepsChanged)
    assert told == [StepsChanged(plugin="p", steps=("a",))]


@pytest.mark.asyncio
async def test_an_edited_function_is_a_notice(database_url: str) -> None:
    """It is told as a function's, which may do the same as before, and is no other declaration: alone it opens no run."""

    async def before(ctx: MigrationContext) -> None:
        await ctx.execute("CREATE TABLE f (id int)")

    async def after(ctx: MigrationContext) -> None:
        await ctx.execute("CREATE TABLE f_edited (id int)")

    await migrate(database_url, listed(MigrationStep("f", "F", up=before)))
    edited = MigrationStep("f", "F", up=after)
    assert (await migrate(database_url, listed(edited))).run_id is None
    _, told = await told_by(database_url, listed(edited, B), StepsChanged)
    assert told == [StepsChanged(plugin="p", steps=("f",), functions=("f",))]
    assert await query(database_url, "SELECT to_regclass('f_edited')") == [None]


@pytest.mark.asyncio
async def test_a_step_that_comes_too_late(database_url: str, declare: Declare) -> None:
    """In front of an applied step strict refuses it, naming both, and nothing of the plugin is run; allow runs it and says so."""
    await migrate(database_url, declare(A, C))
    late = declare(A, B, C, D, version="2.0.0")
    with pytest.raises(StepsOutOfOrder, match=r"before the applied step 'c': b\n"):
        await migrate(database_url, late)
    assert await applied(database_url) == [("p", "a"), ("p", "c")]
    steps, told = await told_by(database_url, late, PolicyNoticed, ALLOW)
    assert (steps, told) == (["b", "d"], [PolicyNoticed(plugin="p", notice="steps run out of order: b")])
    assert (await migrate(database_url, late, config=ALLOW)).run_id is None


@pytest.mark.asyncio
@pytest.mark.parametrize("form", ["listed", "files"])
async def test_a_step_that_is_missing(database_url: str, form: str, request: pytest.FixtureRequest) -> None:
    """Strict refuses code without a step that was applied before one that it has, also when it has more; allow goes on and says so."""
    declare: Declare = listed if form == "listed" else request.getfixturevalue("files")
    await migrate(database_url, declare(A, B))
    lacking = declare(B, C)
    with pytest.raises(StepsMissing, match=r"applied: a\n"):
        await migrate(database_url, lacking)
    steps, told = await told_by(database_url, lacking, PolicyNoticed, ALLOW)
    assert (steps, told) == (["c"], [PolicyNoticed(plugin="p", notice="applied steps are missing from the code: a")])


@pytest.mark.asyncio
async def test_a_computed_step_that_is_missing_halfway(database_url: str) -> None:
    """Code that computes its steps may leave out what is behind it, and not what was done of the version in hand."""
    await migrate(database_url, computed(A))
    with pytest.raises(RoostError, match="division by zero"):
        await migrate(database_url, computed(A, B, step("c", "SELECT 1/0"), version="2.0.0"))
    with pytest.raises(StepsMissing, match=r"applied: b\n"):
        await migrate(database_url, computed(C, version="2.0.0"))
    assert names((await migrate(database_url, computed(B, C, version="2.0.0"))).steps) == ["c"]


@pytest.mark.asyncio
@pytest.mark.parametrize("form", ["listed", "computed"])
async def test_one_id_twice(database_url: str, form: str) -> None:
    """It is refused by its name before anything is connected to, or asked."""
    declare: Declare = listed if form == "listed" else computed
    with pytest.raises(DuplicateStep, match="'b'"):
        await migrate(database_url, declare(A, B, step("b", "SELECT 1")))
    assert await query(database_url, "SELECT to_regclass('a')") == [None]


@pytest.mark.asyncio
async def test_one_id_in_two_files(database_url: str, tmp_path: Path) -> None:
    """A plain file and a pair of one name are refused, naming the second."""
    (tmp_path / "a.sql").write_text("SELECT 1")
    (tmp_path / "a.up.sql").write_text("SELECT 2")
    service = type("Files", (SqlMigrationService,), {"service_name": "p-migration", "directory": tmp_path})
    with pytest.raises(InvalidSqlFile, match=r"a\.up\.sql.*'a' already"):
        await migrate(database_url, Plugin("p", services=[service]))


@pytest.mark.asyncio
@pytest.mark.parametrize("config", [QUICK, ALLOW])
async def test_both_sides_went_on(database_url: str, config: MigrationConfig, declare: Declare) -> None:
    """Where code and database each hold a step that the other lacks nothing is run under any policy, and both are named."""
    version = "2.0.0" if declare is not computed else "1.5.0"
    await migrate(database_url, declare(A))
    with pytest.raises(RoostError, match="division by zero"):
        await migrate(database_url, declare(A, C, step("d", "SELECT 1/0"), version="2.0.0"))
    with pytest.raises(HistoriesDiverged, match=r"lacks \(c\).*lacks \(b\)"):
        await migrate(database_url, declare(A, B, version=version), config=config)
    assert await query(database_url, "SELECT to_regclass('b')") == [None]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_an_old_release_beside_a_newer_ledger(database_url: str, declare: Declare) -> None:
    """It starts and serves as `ahead`, runs nothing and unsettles nothing; a command that migrates, or would, refuses."""
    new = declare(A, B, version="2.0.0")
    await migrate(database_url, declare(A))
    await migrate(database_url, new)
    runtime = make_runtime(database_url, declare(A))
    told: list[object] = []
    runtime.events.subscribe(told.append, DatabaseAheadNoticed)
    async with runtime:
        status = (await MigrationOrchestrator(runtime).get_migration_status()).services[0]
    assert (status.state, status.version, status.pending) == ("ahead", "2.0.0", 0)
    assert told == [DatabaseAheadNoticed(plugin="p", steps=("b",), version="2.0.0")]
    for dry_run in (False, True):
        with pytest.raises(DatabaseAhead, match="step b was applied by a newer release"):
            await MigrationOrchestrator(runtime).run_all_migrations(dry_run=dry_run, refuse_ahead=True)
    assert (await migrate(database_url, new)).run_id is None
    assert await applied(database_url) == [("p", "a"), ("p", "b")]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_an_old_release_beside_a_newer_one_that_is_halfway(database_url: str, declare: Declare) -> None:
    """One step of the newer release is enough, also where the newer version is not reached."""
    await migrate(database_url, declare(A))
    with pytest.raises(RoostError, match="division by zero"):
        await migrate(database_url, declare(A, B, step("c", "SELECT 1/0"), version="2.0.0"))
    steps, told = await told_by(database_url, declare(A), DatabaseAheadNoticed)
    assert (steps, told) == ([], [DatabaseAheadNoticed(plugin="p", steps=("b",), version="1.0.0")])


@pytest.mark.asyncio
async def test_an_old_release_after_a_breaking_step(database_url: str, declare: Declare) -> None:
    """It does not start, whatever else is newer; the step is named."""
    await migrate(database_url, declare(A))
    await migrate(database_url, declare(A, step("b", breaking=True), C, version="2.0.0"))
    with pytest.raises(DatabaseAhead, match="step b was"):
        await make_runtime(database_url, declare(A)).start()
    for refuse_ahead in (False, True):
        with pytest.raises(DatabaseAhead, match="step b was"):
            await MigrationOrchestrator(make_runtime(database_url, declare(A))).run_all_migrations(refuse_ahead=refuse_ahead)
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_a_step_requires_one_of_another_plugin(database_url: str, declare: Declare) -> None:
    """Where that one is applied, or is run before it, it is run; else nothing of its plugin is, and a dry run says it too."""
    needing = declare(A, step("b", requires=("q:x", "p:a")))
    x = step("x")
    for dry_run in (True, False):
        with pytest.raises(RequiredStepMissing, match="'b' of plugin p requires q:x"):
            await MigrationOrchestrator(make_runtime(database_url, needing)).run_all_migrations(dry_run=dry_run)
    assert await query(database_url, "SELECT to_regclass('a')") == [None]
    both = make_runtime(database_url, needing, make_plugin("q", x, version="1.0.0", priority=1))
    assert names((await MigrationOrchestrator(both).run_all_migrations(dry_run=True)).steps) == ["x", "a", "b"]
    assert names((await MigrationOrchestrator(both).run_all_migrations()).steps) == ["x", "a", "b"]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_a_requirement_in_doubt_is_not_met(database_url: str) -> None:
    """What nobody knows to be applied is nothing to stand on."""
    await migrate(database_url, make_plugin("q", step("x"), version="1.0.0"))
    await execute(database_url, "UPDATE roost.applied SET state = 'escaped'")
    with pytest.raises(RequiredStepMissing, match="q:x"):
        await migrate(database_url, listed(step("b", requires=("q:x",))))


class OnlyNew(PluginMigrationService):
    """Computes no more than what is new."""

    service_name = "p-migration"
    target = "1.0.0"

    def get_target_version(self) -> str:
        return self.target

    def get_migration_steps(self, from_version: str, to_version: str) -> Sequence[MigrationStep]:
        return [A, B] if from_version == "0.0.0" else [C]


def only_new(*_: MigrationStep, version: str) -> Plugin:
    """Declare steps of which the code returns no more than is new."""
    return Plugin("p", version=version, services=[type("Computing", (OnlyNew,), {"target": version})])


@pytest.mark.asyncio
@pytest.mark.parametrize("form", ["listed", "files", "only_new"])
async def test_rows_of_what_is_as_declared_are_not_read(
    database_url: str, form: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that has one step to do reads no row of those that are applied; where one was edited it reads them, and tells it."""
    ways: dict[str, Declare] = {"listed": listed, "only_new": only_new}
    declare: Declare = ways.get(form) or request.getfixturevalue("files")
    read: list[str] = []
    make = ledger._applied

    def noting(row: Sequence[str | None]) -> AppliedStep:
        read.append(row[0] or "")
        return make(row)

    monkeypatch.setattr(ledger, "_applied", noting)
    await migrate(database_url, declare(A, B, version="1.0.0"))
    assert names((await migrate(database_url, declare(A, B, C, version="2.0.0"))).steps) == ["c"]
    assert read == []
    if form != "only_new":
        _, told = await told_by(database_url, declare(A, step("b", "SELECT 1"), C, D, version="3.0.0"), StepsChanged)
        assert (read, told) == (["a", "b", "c"], [StepsChanged(plugin="p", steps=("b",))])


@pytest.mark.asyncio
async def test_a_plugin_is_settled_by_all_its_services(database_url: str) -> None:
    """A migration function that failed behind the plugin's steps is tried at the next start as well."""
    calls: list[str] = []

    async def hook(_: Database) -> None:
        calls.append("called")
        if len(calls) == 1:
            raise ValueError("not yet")

    plugin = make_plugin("p", A, run_plugin_migrations=hook)
    setattr(plugin.services[0], "priority", 10)  # noqa: B010 -- the steps come first, and `services` may hold other things than classes
    with pytest.raises(StepFailed, match="not yet"):
        await migrate(database_url, plugin)
    assert "run-plugin-migrations" in names((await migrate(database_url, plugin)).steps)
    assert len(calls) == 2
    assert (await migrate(database_url, plugin)).run_id is None


@pytest.mark.asyncio
async def test_a_database_stays_ahead_beside_a_migration_function(database_url: str) -> None:
    """What one service of a plugin has satisfied does not settle it for another one that can't live with the database."""

    async def hook(_: Database) -> None:
        pass

    await migrate(database_url, make_plugin("p", A, B, run_plugin_migrations=hook))
    orchestrator = MigrationOrchestrator(make_runtime(database_url, make_plugin("p", A, run_plugin_migrations=hook)))
    for _ in range(2):
        await orchestrator.run_all_migrations()
        states = {one.service_name: one.state for one in (await orchestrator.get_migration_status()).services}
        assert states["p-migration"] == "ahead"
    with pytest.raises(DatabaseAhead):
        await orchestrator.run_all_migrations(refuse_ahead=True)
