"""A database that something else has made is taken over: what is claimed counts, what is not there is refused, nothing is run twice."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest

from roost import (
    MigrationConfig,
    MigrationContext,
    MigrationOrchestrator,
    MigrationStep,
    Plugin,
    PluginMigrationService,
    RepeatableStep,
    Runtime,
)
from roost.errors import (
    BaselineRefused,
    ClaimNotChecked,
    ClaimNotFound,
    InvalidPluginVersion,
    MarkRefused,
    MigrationLockLost,
    NoDatabase,
    RequiredStepMissing,
    SessionLost,
    StepEscaped,
    StepIsRepeatable,
    UnknownMigrationPlugin,
    UnknownVersion,
    UnmarkRefused,
)
from roost.migrations import ClaimedSteps, LockWaitStarted, MigrationRun, StepsChanged
from roost.migrations._adoption import adopting, disowning
from roost.migrations._claiming import baseline_at, look_at_claim, look_at_unmark
from tests.plugins.build import BOUND, applied, execute, make_plugin, make_runtime, migrate, names, query, residue, until
from tests.plugins.pgbouncer import busy, pgbouncer

MAKE = MigrationStep(
    "make",
    "Make notes",
    up="CREATE TABLE notes (id serial PRIMARY KEY, body varchar(80) NOT NULL CONSTRAINT short CHECK (length(body) < 80))",
    down="DROP TABLE notes",
    version="1.0.0",
)
KIND = MigrationStep(
    "kind",
    "Tell kinds",
    up="CREATE TYPE kind AS ENUM ('plain'); ALTER TABLE notes ADD COLUMN kind kind; CREATE INDEX by_kind ON notes (kind)",
    down="DROP INDEX by_kind; ALTER TABLE notes DROP kind; DROP TYPE kind",
    version="1.1.0",
    breaking=True,
)
TAGS = MigrationStep("tags", "Make tags", up="CREATE TABLE tags (id int)", down="DROP TABLE tags", version="1.2.0")
NOTES = (MAKE, KIND, TAGS)
BY_HAND = f"{MAKE.up}; {KIND.up}"
ROW_OF = "INSERT INTO roost.applied (plugin, step, version, state, fingerprint, chain, breaking, requires, run) VALUES"
ROWS = "SELECT step, version, state, fingerprint, normal_form, chain, breaking, requires, down_sql FROM roost.applied ORDER BY position"


def orchestrator(url: str, *plugins: Plugin, **fields: Any) -> MigrationOrchestrator:
    """Return an orchestrator of a runtime with these plugins."""
    return MigrationOrchestrator(make_runtime(url, *plugins, **fields))


def notes(**fields: Any) -> Plugin:
    """Return the plugin whose first two steps somebody has run by hand."""
    return make_plugin("notes", *NOTES, **fields)


async def attempts(url: str) -> list[Any]:
    """Return what the history says, in the order in which it was written."""
    return await query(url, "SELECT step, direction, success, attempts FROM roost.history ORDER BY id")


@pytest.mark.asyncio
async def test_a_baseline_counts_as_a_run(database_url: str) -> None:
    """Rows, version and head are those that a run would have left; the history says that nobody ran them; the next run goes on."""
    await execute(database_url, BY_HAND)
    claimed = await orchestrator(database_url, notes()).baseline("notes", "1.1.0")
    assert claimed == ClaimedSteps(
        plugin="notes",
        steps=("make", "kind"),
        version="1.1.0",
        run=1,
        found=(
            "table public.notes",
            "column public.notes.id",
            "column public.notes.body",
            "constraint public.notes.short",
            "type public.kind",
            "value public.kind.plain",
            "column public.notes.kind",
            "index public.by_kind",
        ),
    )
    assert await attempts(database_url) == [("make", "up", True, 0), ("kind", "up", True, 0)]
    baselined = await query(database_url, ROWS), await query(database_url, "SELECT version, chain FROM roost.plugin")
    report = await migrate(database_url, notes())
    assert names(report.steps) == ["tags"]
    assert (await migrate(database_url, notes())).run_id is None
    whole = await query(database_url, ROWS), await query(database_url, "SELECT version, chain FROM roost.plugin")
    assert await residue(database_url) == []

    await execute(database_url, "DROP SCHEMA roost CASCADE; DROP TABLE notes, tags; DROP TYPE kind")
    await migrate(database_url, make_plugin("notes", MAKE, KIND))
    assert (await query(database_url, ROWS), await query(database_url, "SELECT version, chain FROM roost.plugin")) == baselined
    await migrate(database_url, notes())
    assert (await query(database_url, ROWS), await query(database_url, "SELECT version, chain FROM roost.plugin")) == whole


@pytest.mark.asyncio
async def test_drift_of_a_baselined_step_is_seen(database_url: str) -> None:
    """A step that is changed after it was claimed is told like one that was run, and not run."""
    await execute(database_url, BY_HAND)
    await orchestrator(database_url, notes()).baseline("notes", "1.1.0")
    edited = MigrationStep("make", "Make notes", up=f"{MAKE.up}; SELECT 1", down=MAKE.down, version="1.0.0")
    runtime = make_runtime(database_url, make_plugin("notes", edited, KIND, TAGS))
    told: list[StepsChanged] = []
    runtime.events.subscribe(told.append, StepsChanged)
    assert names((await MigrationOrchestrator(runtime).run_all_migrations()).steps) == ["tags"]
    assert [event.steps for event in told] == [("make",)]


@pytest.mark.asyncio
async def test_the_status_tells_what_no_run_did(database_url: str) -> None:
    """Claimed steps are counted until a run takes them anew; those that a run took are not."""
    await execute(database_url, BY_HAND)
    one = orchestrator(database_url, notes())
    counts = [(await one.get_migration_status()).services[0].steps_by_hand]
    await one.baseline("notes", "1.1.0")
    counts.append((await one.get_migration_status()).services[0].steps_by_hand)
    await one.run_all_migrations()
    counts.append((await one.get_migration_status()).services[0].steps_by_hand)
    await make_runtime(database_url, notes()).get_service("notes-migration").rollback("1.0.0")
    await one.run_all_migrations()
    counts.append((await one.get_migration_status()).services[0].steps_by_hand)
    await one.unmark("notes", "tags")
    counts.append((await one.get_migration_status()).services[0].steps_by_hand)
    assert counts == [0, 2, 2, 1, 1]


@pytest.mark.asyncio
async def test_a_baselined_step_goes_back_by_its_stored_way(database_url: str) -> None:
    """Code that has lost the step's way back still undoes it by the SQL that the claim has stored."""
    await execute(database_url, BY_HAND)
    await orchestrator(database_url, notes()).baseline("notes", "1.1.0")
    without = MigrationStep("kind", "Tell kinds", up=KIND.up, version="1.1.0")
    service = make_runtime(database_url, make_plugin("notes", MAKE, without)).get_service("notes-migration")
    assert names((await service.rollback("1.0.0")).steps) == ["kind"]
    assert await query(database_url, "SELECT to_regtype('kind'), to_regclass('notes')::text") == [(None, "notes")]
    assert await query(database_url, "SELECT version FROM roost.plugin") == ["1.0.0"]
    assert names((await migrate(database_url, notes())).steps) == ["kind", "tags"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("by_hand", "missing"),
    [
        ("SELECT 1", "make: table public.notes is not there"),
        ("CREATE TABLE notes (id int, body varchar(80) CONSTRAINT short CHECK (true))", "kind: column public.notes.kind is not there"),
        (f"{BY_HAND}; ALTER TABLE notes ALTER id TYPE bigint", "make: column public.notes.id is of type bigint, not int4"),
        (f"{BY_HAND}; ALTER TABLE notes ALTER body TYPE varchar(81)", "is of type character varying(81), not varchar(80)"),
        (f"{BY_HAND}; ALTER TABLE notes DROP CONSTRAINT short", "make: constraint public.notes.short is not there"),
        (f"{BY_HAND}; ALTER TYPE kind RENAME VALUE 'plain' TO 'rich'", "kind: value public.kind.plain is not there"),
        (f"{BY_HAND}; DROP INDEX by_kind; CREATE VIEW by_kind AS SELECT 1", "kind: index public.by_kind is not there"),
        (f"{BY_HAND}; UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'by_kind'::regclass", "index public.by_kind is not valid"),
        (f"CREATE SCHEMA other; SET search_path = other; {BY_HAND}", "make: table public.notes is not there"),
    ],
)
async def test_a_false_claim_is_refused(database_url: str, by_hand: str, missing: str) -> None:
    """What is missing or different is named with its step, nothing is written, and who knows better may insist."""
    await execute(database_url, by_hand)
    one = orchestrator(database_url, notes())
    with pytest.raises(ClaimNotFound) as caught:
        await one.baseline("notes", "1.1.0")
    assert missing in caught.value.message
    assert await query(database_url, "SELECT to_regnamespace('roost')") == [None]
    claimed = await one.baseline("notes", "1.1.0", check=False)
    assert claimed.not_checked == ("make: not looked for", "kind: not looked for")
    assert await applied(database_url) == [("notes", "make"), ("notes", "kind")]


@pytest.mark.asyncio
async def test_what_can_not_be_looked_for_is_told(database_url: str) -> None:
    """Functions of Python and statements that leave no object are listed; the rest is looked for in the plugin's own schema."""

    async def fill(ctx: MigrationContext) -> None:
        raise AssertionError(ctx)

    steps = (
        MigrationStep("make", "Make", up="CREATE TABLE a (b text); INSERT INTO a VALUES ('one'); CREATE INDEX ON a (b)", version="1.0.0"),
        MigrationStep("fill", "Fill", up=fill, version="1.1.0"),
        MigrationStep("odd", "Odd", up="SELECT FROM WHERE", version="1.2.0"),
    )
    await execute(database_url, 'CREATE SCHEMA "Of it"; CREATE TABLE "Of it".a (b text)')
    claimed = await orchestrator(database_url, make_plugin("notes", *steps, schema="Of it")).baseline("notes", "1.2.0")
    assert claimed.found == ("table Of it.a", "column Of it.a.b")
    assert claimed.not_checked == (
        "make: INSERT INTO a VALUES ('one')",
        "make: CREATE INDEX ON a (b)",
        "fill: a Python function",
        "odd: SQL that can't be parsed",
    )


@pytest.mark.asyncio
async def test_without_the_extra(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where SQL can't be read the refusal names the extra; steps of Python, and who insists, need none; unmark says so and goes on."""
    monkeypatch.setitem(sys.modules, "postgast", None)
    one = orchestrator(database_url, notes())
    with pytest.raises(ClaimNotChecked, match="make, kind") as caught:
        await one.baseline("notes", "1.1.0")
    assert "pip install 'roost[sql]'" in caught.value.hint
    assert await query(database_url, "SELECT to_regnamespace('roost')") == [None]
    await one.baseline("notes", "1.1.0", check=False)
    assert "roost[sql]" in (await one.unmark("notes", "kind")).not_checked[0]

    async def nothing() -> None:
        raise AssertionError

    python = make_plugin("python", MigrationStep("one", "One", up=nothing, version="1.0.0"))
    assert (await orchestrator(database_url, python).baseline("python", "1.0.0")).not_checked == ("one: a Python function",)


@pytest.mark.asyncio
async def test_versions_that_no_baseline_has(database_url: str) -> None:
    """Above the code's target, between its versions, malformed: refused with the versions there are, and no ledger is made."""
    one = orchestrator(database_url, notes(), make_plugin("bare"))
    with pytest.raises(UnknownVersion, match=r"the code aims at 1\.2\.0") as above:
        await one.baseline("notes", "2.0")
    assert above.value.hint == "the versions ahead of it: 1.0.0, 1.1.0, 1.2.0"
    with pytest.raises(UnknownVersion, match="none of its steps has that version"):
        await one.baseline("notes", "1.0.5")
    with pytest.raises(InvalidPluginVersion):
        await one.baseline("notes", "first")
    with pytest.raises(UnknownVersion) as bare:
        await one.baseline("bare", "1.0.0")
    assert bare.value.hint == "the versions ahead of it: none"
    with pytest.raises(UnknownMigrationPlugin) as unknown:
        await one.baseline("nots", "1.0.0")
    assert unknown.value.hint == "did you mean notes?"
    with pytest.raises(NoDatabase):
        await MigrationOrchestrator(Runtime(plugins=[notes()])).baseline("notes", "1.0.0")
    assert await query(database_url, "SELECT to_regnamespace('roost')") == [None]


@pytest.mark.asyncio
async def test_a_version_is_one_however_it_is_written(database_url: str) -> None:
    """1.1 is 1.1.0, and the ledger has it in the steps' own spelling."""
    await execute(database_url, BY_HAND)
    assert (await orchestrator(database_url, notes()).baseline("notes", "1.1")).version == "1.1.0"
    assert await query(database_url, "SELECT version FROM roost.plugin") == ["1.1.0"]


@pytest.mark.asyncio
async def test_a_plugin_that_stands_somewhere_already(database_url: str) -> None:
    """A baseline is for new plugins: what is applied is named, a step in doubt has its own remedy, and rolled back it is new again."""
    await migrate(database_url, make_plugin("notes", MAKE))
    one = orchestrator(database_url, notes())
    with pytest.raises(BaselineRefused, match=r"already at version 1\.0\.0.*make") as caught:
        await one.baseline("notes", "1.1.0")
    assert caught.value.hint.endswith("roost mark notes STEP")
    await execute(database_url, "UPDATE roost.applied SET state = 'escaped'")
    with pytest.raises(StepEscaped):
        await one.baseline("notes", "1.1.0")
    await execute(database_url, "UPDATE roost.applied SET state = 'done'")
    await make_runtime(database_url, notes()).get_service("notes-migration").rollback()
    await execute(database_url, BY_HAND)
    assert (await one.baseline("notes", "1.1.0")).version == "1.1.0"


@pytest.mark.asyncio
async def test_what_claimed_steps_require(database_url: str) -> None:
    """A claim stands on nothing that is not applied: the other plugin's comes first."""
    using = MigrationStep("use", "Use", up="CREATE TABLE uses (id int)", version="1.0.0", requires=("notes:make",))
    await execute(database_url, f"{MAKE.up}; CREATE TABLE uses (id int)")
    one = orchestrator(database_url, make_plugin("uses", using, dependencies=("notes",)), notes())
    with pytest.raises(RequiredStepMissing, match="notes:make") as caught:
        await one.baseline("uses", "1.0.0")
    assert "baseline the other plugin first" in caught.value.hint
    with pytest.raises(RequiredStepMissing, match="notes:make"):
        await one.mark("uses", "use")
    await one.baseline("notes", "1.0.0")
    await one.baseline("uses", "1.0.0")
    with pytest.raises(UnmarkRefused, match="uses:use, plugin uses") as needed:
        await one.unmark("notes", "make")
    assert "first, the newest first" in needed.value.hint
    await one.unmark("uses", "use")
    await one.unmark("notes", "make")
    assert await applied(database_url) == []


class Computed(PluginMigrationService):
    """Steps in the seed's own form, with versions of their own."""

    service_name = "computed-migration"

    def get_target_version(self) -> str:
        return "3.0.0"

    def get_migration_steps(self, from_version: str, to_version: str) -> Sequence[MigrationStep]:
        return [step for step in NOTES if from_version < str(step.version) <= to_version]


class Unversioned(Computed):
    """The same without versions: each call gives its own target to what it returns."""

    def get_migration_steps(self, from_version: str, to_version: str) -> Sequence[MigrationStep]:
        ids = [("1.0.0", "CREATE TABLE one (id int)"), ("2.0.0", "CREATE TABLE two (id int)"), ("3.0.0", "CREATE TABLE three (id int)")]
        return [MigrationStep(f"to-{version}", "Go on", up=up) for version, up in ids if from_version < version <= to_version]


@pytest.mark.asyncio
async def test_computed_steps(database_url: str) -> None:
    """They are claimed as far as they say that they lead from nothing to that version, and the next run asks for the rest."""
    await execute(database_url, f"{BY_HAND}; CREATE TABLE one (id int); CREATE TABLE two (id int)")
    one = orchestrator(database_url, Plugin("versioned", services=[Computed]))
    with pytest.raises(UnknownVersion, match="none of its steps"):
        await one.baseline("versioned", "2.0.0")
    with pytest.raises(UnknownVersion, match=r"aims at 3\.0\.0"):
        await one.baseline("versioned", "3.0.1")
    assert (await one.baseline("versioned", "1.1.0")).steps == ("make", "kind")
    assert names((await one.run_all_migrations()).steps) == ["tags"]
    other = orchestrator(database_url, Plugin("unversioned", services=[Unversioned]))
    with pytest.raises(UnknownVersion, match="none of its steps"):
        await other.baseline("unversioned", "0.5")
    assert (await other.baseline("unversioned", "2.0.0")).steps == ("to-1.0.0", "to-2.0.0")
    assert names((await other.run_all_migrations()).steps) == ["to-3.0.0"]
    assert await query(database_url, "SELECT name, version FROM roost.plugin ORDER BY 1") == [
        ("unversioned", "3.0.0"),
        ("versioned", "3.0.0"),
    ]


@pytest.mark.asyncio
async def test_a_target_above_the_last_step(database_url: str) -> None:
    """A version that the code aims at and no step has is reached by all steps."""
    await execute(database_url, BY_HAND)

    class Aiming(PluginMigrationService):
        service_name = "notes-migration"
        steps = (MAKE, KIND)

        def get_target_version(self) -> str:
            return "9.0.0"

    one = orchestrator(database_url, Plugin("notes", services=[Aiming]))
    assert (await one.baseline("notes", "9.0.0")).version == "9.0.0"
    assert (await one.run_all_migrations()).steps == ()


@pytest.mark.asyncio
async def test_marking_one_by_one(database_url: str) -> None:
    """Each step in its turn; a version is reached with its last step; afterwards nothing is left to do."""
    await execute(database_url, f"{BY_HAND}; {TAGS.up}; CREATE TABLE more (id int)")
    more = MigrationStep("more", "More", up="CREATE TABLE more (id int)", version="1.2.0")
    one = orchestrator(database_url, make_plugin("notes", *NOTES, more))
    with pytest.raises(MarkRefused, match="'make' comes before it") as early:
        await one.mark("notes", "kind")
    assert early.value.hint.endswith("roost mark notes make")
    with pytest.raises(MarkRefused, match="no such step") as mistyped:
        await one.mark("notes", "kinds")
    assert mistyped.value.hint == "did you mean kind?"
    versions = [(await one.mark("notes", step)).version for step in ("make", "kind", "tags", "more")]
    assert versions == ["1.0.0", "1.1.0", "1.1.0", "1.2.0"]
    with pytest.raises(MarkRefused, match="it is applied already"):
        await one.mark("notes", "kind")
    assert (await one.run_all_migrations()).steps == ()
    assert {row[3] for row in await attempts(database_url)} == {0}
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_a_mark_is_looked_for_in_the_light_of_earlier_steps(database_url: str) -> None:
    """A step that renames what an earlier one made claims the new name, and nothing of the earlier step's."""
    rename = MigrationStep(
        "rename", "Rename", up="ALTER TABLE notes RENAME TO memos; ALTER TABLE memos ALTER body TYPE text", version="1.1.0"
    )
    plugin = make_plugin("notes", MAKE, rename)
    await migrate(database_url, make_plugin("notes", MAKE))
    one = orchestrator(database_url, plugin)
    with pytest.raises(ClaimNotFound, match=r"rename: table public\.memos is not there"):
        await one.mark("notes", "rename")
    await execute(database_url, "ALTER TABLE notes RENAME TO memos")
    with pytest.raises(ClaimNotFound, match=r"rename: column public\.memos\.body is of type character varying\(80\), not text"):
        await one.mark("notes", "rename")
    await execute(database_url, "ALTER TABLE memos ALTER body TYPE text")
    assert (await one.mark("notes", "rename")).found == ("table public.memos", "column public.memos.body")


@pytest.mark.asyncio
async def test_marking_out_of_order(database_url: str) -> None:
    """Only where the policy allows it; the version waits for the steps that are still to run, and the next run takes them."""
    await execute(database_url, str(TAGS.up))
    one = orchestrator(database_url, notes(), config=MigrationConfig(policy="allow"))
    assert (await one.mark("notes", "tags")).version is None
    assert names((await one.run_all_migrations()).steps) == ["make", "kind"]
    assert await query(database_url, "SELECT version FROM roost.plugin") == ["1.2.0"]
    assert (await one.run_all_migrations()).run_id is None


@pytest.mark.asyncio
async def test_a_plugins_old_function(database_url: str) -> None:
    """It is marked and unmarked by its step's name, moves no version, and stands in no step's way."""

    async def hook(database: object) -> None:
        raise AssertionError(database)

    await execute(database_url, BY_HAND)
    one = orchestrator(database_url, notes(run_plugin_migrations=hook))
    assert (await one.mark("notes", "run-plugin-migrations")).not_checked == ("run-plugin-migrations: a Python function",)
    assert (await one.baseline("notes", "1.1.0")).version == "1.1.0"
    assert names((await one.run_all_migrations()).steps) == ["tags"]
    unmarked = await one.unmark("notes", "run-plugin-migrations")
    assert (unmarked.version, unmarked.still_there) == ("1.2.0", ())
    assert await query(database_url, "SELECT version, chain = (SELECT chain FROM roost.applied WHERE step = 'tags') FROM roost.plugin") == [
        ("1.2.0", True)
    ]
    assert await one.has_pending_migrations()
    lone = orchestrator(database_url, Plugin("lone", run_plugin_migrations=hook))
    with pytest.raises(UnknownVersion):
        await lone.baseline("lone", "1.0.0")


@pytest.mark.asyncio
async def test_unmarking(database_url: str) -> None:
    """The last step's row goes, its effect stays and is told, the history says that nobody undid it, and the next run takes it anew."""
    await migrate(database_url, notes())
    one = orchestrator(database_url, notes())
    with pytest.raises(UnmarkRefused, match="is applied: kind, tags"):
        await one.unmark("notes", "make")
    with pytest.raises(UnmarkRefused, match="it is not applied") as mistyped:
        await one.unmark("notes", "tag")
    assert mistyped.value.hint == "did you mean tags?"
    unmarked = await one.unmark("notes", "tags")
    assert (unmarked.steps, unmarked.version) == (("tags",), "1.1.0")
    assert unmarked.still_there == ("table public.tags", "column public.tags.id")
    assert (await attempts(database_url))[-1] == ("tags", "down", True, 0)
    await execute(database_url, "DROP TABLE tags")
    assert names((await one.run_all_migrations()).steps) == ["tags"]
    await execute(database_url, "DROP TABLE tags")
    assert (await one.unmark("notes", "tags", dry_run=True)).run is None
    assert (await one.unmark("notes", "tags")).still_there == ()
    without = orchestrator(database_url, make_plugin("notes", MAKE))
    assert (await without.unmark("notes", "kind")).not_checked == ("kind: the code has no SQL for it",)
    assert await query(database_url, "SELECT version FROM roost.plugin") == ["1.0.0"]
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_repeatable_steps(database_url: str) -> None:
    """They are nobody's claim: after a baseline the next run takes them, as after an unmark; each is refused by its name."""
    view = RepeatableStep("seen", "See notes", up="CREATE OR REPLACE VIEW seen AS SELECT id FROM notes")
    await execute(database_url, BY_HAND)
    one = orchestrator(database_url, make_plugin("notes", MAKE, KIND, repeatable=(view,)))
    assert (await one.baseline("notes", "1.1.0")).steps == ("make", "kind")
    with pytest.raises(StepIsRepeatable, match="Can't mark step 'seen'"):
        await one.mark("notes", "seen")
    assert names((await one.run_all_migrations()).steps) == ["seen"]
    with pytest.raises(StepIsRepeatable, match="Can't unmark step 'seen'"):
        await one.unmark("notes", "seen")
    await one.unmark("notes", "kind")
    await one.mark("notes", "kind")
    assert names((await one.run_all_migrations()).steps) == ["seen"]


@pytest.mark.asyncio
@pytest.mark.parametrize("state", ["intent", "escaped", "undoing"])
async def test_a_step_in_doubt_is_not_unmarked(database_url: str, state: str) -> None:
    """Its row is what tells that somebody must look; the refusal names the command for it."""
    await migrate(database_url, make_plugin("notes", MAKE))
    await execute(database_url, f"UPDATE roost.applied SET state = '{state}'")
    with pytest.raises(UnmarkRefused, match="nobody knows") as caught:
        await orchestrator(database_url, notes()).unmark("notes", "make")
    assert "roost repair notes make --done" in caught.value.hint
    assert await query(database_url, "SELECT state FROM roost.applied") == [state]


@pytest.mark.asyncio
async def test_a_dry_run_writes_nothing(database_url: str) -> None:
    """It looks and tells the same, opens no run, and makes no ledger."""
    await execute(database_url, BY_HAND)
    one = orchestrator(database_url, notes())
    planned = await one.baseline("notes", "1.1.0", dry_run=True)
    assert (planned.steps, planned.version, planned.run, len(planned.found)) == (("make", "kind"), "1.1.0", None, 8)
    assert (await one.mark("notes", "make", dry_run=True)).run is None
    assert await query(database_url, "SELECT to_regnamespace('roost')") == [None]


@pytest.mark.asyncio
async def test_without_history(database_url: str) -> None:
    """Where history is off a claim writes none either."""
    await execute(database_url, BY_HAND)
    one = orchestrator(database_url, notes(), config=MigrationConfig(track_history=False))
    await one.baseline("notes", "1.1.0")
    await one.unmark("notes", "kind")
    assert await attempts(database_url) == []


@pytest.mark.asyncio
async def test_a_claim_waits_for_a_run(database_url: str) -> None:
    """While a run is at work a claim waits for the lock, and then finds what that has applied."""
    entered, gate = asyncio.Event(), asyncio.Event()

    async def hold(ctx: MigrationContext) -> None:
        entered.set()
        await gate.wait()

    held = make_plugin("held", MigrationStep("hold", "Hold", up=hold, version="1.0.0"), priority=1)
    running = asyncio.create_task(migrate(database_url, held, make_plugin("notes", MAKE)))
    await asyncio.wait_for(entered.wait(), BOUND)
    runtime = make_runtime(database_url, make_plugin("notes", MAKE), config=MigrationConfig())
    waits = asyncio.Event()
    runtime.events.subscribe(lambda _: waits.set(), LockWaitStarted)
    claim = asyncio.create_task(MigrationOrchestrator(runtime).baseline("notes", "1.0.0", check=False))
    await asyncio.wait_for(waits.wait(), BOUND)
    gate.set()
    await running
    with pytest.raises(BaselineRefused, match=r"already at version 1\.0\.0"):
        await claim
    assert await applied(database_url) == [("held", "hold"), ("notes", "make")]


@pytest.mark.asyncio
async def test_two_baselines_at_once(database_url: str) -> None:
    """One of them is written, the other is told that the plugin is no longer new."""
    await execute(database_url, BY_HAND)
    results = await asyncio.gather(
        *[orchestrator(database_url, notes(), config=MigrationConfig()).baseline("notes", "1.1.0") for _ in range(2)],
        return_exceptions=True,
    )
    assert sorted(type(result).__name__ for result in results) == ["BaselineRefused", "ClaimedSteps"]
    assert await applied(database_url) == [("notes", "make"), ("notes", "kind")]


@pytest.mark.asyncio
async def test_a_claim_that_is_killed_leaves_nothing(database_url: str) -> None:
    """It is one transaction: a session that ends in the middle of it has written no row, no version and no history."""
    await migrate(database_url, make_plugin("other", TAGS))
    await execute(
        database_url,
        f"{BY_HAND}; CREATE FUNCTION halt() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(7); RETURN new; END'; "
        "CREATE TRIGGER halt BEFORE INSERT ON roost.history FOR EACH ROW WHEN (new.step = 'kind') EXECUTE FUNCTION halt()",
    )
    holder = await asyncpg.connect(database_url)
    try:
        await holder.execute("SELECT pg_advisory_lock(7)")
        claim = asyncio.create_task(orchestrator(database_url, notes()).baseline("notes", "1.1.0"))
        waiting = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = 'advisory'"
        await until(database_url, f"SELECT 1 {waiting}")
        await execute(database_url, f"SELECT pg_terminate_backend(pid) {waiting}")
        with pytest.raises(SessionLost):
            await claim
    finally:
        await holder.close()
    assert await applied(database_url) == [("other", "tags")]
    assert await query(database_url, "SELECT count(*) FROM roost.plugin WHERE name = 'notes'") == [0]
    assert await query(database_url, "SELECT count(*) FROM roost.history WHERE plugin = 'notes'") == [0]
    await execute(database_url, "DROP TRIGGER halt ON roost.history")
    assert (await orchestrator(database_url, notes()).baseline("notes", "1.1.0")).version == "1.1.0"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "lost",
    [
        "SELECT pg_advisory_unlock_all()",
        "INSERT INTO roost.plugin (name, chain) VALUES ('notes', 'another')",
        f"{ROW_OF} ('notes', 'kind', '1.1.0', 'escaped', '', '', false, '{{}}', 1)",
    ],
)
async def test_a_claim_whose_turn_is_over(database_url: str, lost: str) -> None:
    """Without the lock, on a plugin that has moved on, and where somebody else was quicker, nothing is written."""
    await execute(database_url, BY_HAND)
    runtime = make_runtime(database_url, notes())
    service: Any = runtime.get_service("notes-migration")

    async def late(run: MigrationRun) -> None:
        found, _ = await look_at_claim(run.session, service, baseline_at(service, "1.1.0", "strict"), check=True)
        await run.session.execute(lost)
        await run.in_turn(lambda turn: adopting(turn, found), plugin="notes", service="notes-migration")

    with pytest.raises(MigrationLockLost):
        await MigrationOrchestrator(runtime).in_a_run(service, late)
    assert await applied(database_url) == []
    assert await attempts(database_url) == []
    assert await residue(database_url) == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "lost",
    [
        "SELECT pg_advisory_unlock_all()",
        "UPDATE roost.plugin SET chain = 'another'",
        "UPDATE roost.applied SET state = 'escaped' WHERE step = 'tags'",
        f"{ROW_OF} ('uses', 'use', '1.1.0', 'done', '', '', false, '{{notes:tags}}', 1)",
    ],
)
async def test_an_unmark_whose_turn_is_over(database_url: str, lost: str) -> None:
    """Without the lock, on a plugin that has moved on, and where somebody stands on the step meanwhile, its row stays."""
    await migrate(database_url, notes())
    runtime = make_runtime(database_url, notes())
    service: Any = runtime.get_service("notes-migration")

    async def late(run: MigrationRun) -> None:
        found, _ = await look_at_unmark(run.session, service, step="tags", runtime=runtime)
        await run.session.execute(lost)
        await run.in_turn(lambda turn: disowning(turn, found), plugin="notes", service="notes-migration")

    with pytest.raises(MigrationLockLost):
        await MigrationOrchestrator(runtime).in_a_run(service, late)
    assert await query(database_url, "SELECT count(*) FROM roost.applied WHERE plugin = 'notes'") == [3]
    assert len(await attempts(database_url)) == 3
    assert await residue(database_url) == []


@pytest.mark.asyncio
@pytest.mark.pgbouncer
async def test_behind_a_transaction_pooler(database_url: str) -> None:
    """The same claims, each in a turn of its own, among clients that take the server processes away."""
    await execute(database_url, BY_HAND)
    async with pgbouncer(database_url, mode="transaction") as url, busy(url):
        one = orchestrator(url, notes(), config=MigrationConfig())
        assert (await one.baseline("notes", "1.1.0")).version == "1.1.0"
        with pytest.raises(BaselineRefused):
            await one.baseline("notes", "1.1.0")
        assert (await one.unmark("notes", "kind")).version == "1.0.0"
        assert (await one.mark("notes", "kind")).version == "1.1.0"
        assert names((await one.run_all_migrations()).steps) == ["tags"]
    assert await applied(database_url) == [("notes", "make"), ("notes", "kind"), ("notes", "tags")]
    assert await residue(database_url) == []
