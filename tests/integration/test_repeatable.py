"""Repeatable steps on a database: run once, again when their text or what they come after has changed, and never besides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from roost import (
    MigrationContext,
    MigrationOrchestrator,
    MigrationStep,
    Plugin,
    PluginMigrationService,
    RepeatableStep,
    SqlMigrationService,
)
from roost.errors import DatabaseAhead, RepeatableCycle, StepEscaped, StepFailed, StepIsRepeatable
from roost.migrations import RepeatableStepsLeft, StepFinished, StepOutcomeLearned, StepRetried, StepStarted
from roost.testing import RoundTripProxy
from tests.plugins.build import QUICK, applied, history, make_plugin, make_runtime, migrate, names, query, residue
from tests.plugins.fix_replicas import Replicas

NOTES = MigrationStep(
    "notes",
    "Make notes",
    up="CREATE TABLE notes (body text, done bool)",
    down="DROP VIEW IF EXISTS loud, active; DROP TABLE notes",
    version="1.0.0",
)
RANK = MigrationStep("rank", "Rank", up="ALTER TABLE notes ADD rank int", down="ALTER TABLE notes DROP rank", version="1.1.0")
ROWS = "SELECT step, fingerprint, run FROM roost.repeatable ORDER BY step"
TRIES = MigrationStep("tries", "Counts what is tried, also when it is rolled back", up="CREATE SEQUENCE tries", version="0.1.0")


def active(where: str = "NOT done") -> RepeatableStep:
    """Return the step that makes a view of notes, and drops what stands on it."""
    return RepeatableStep(
        "active", "Active", up=f"DROP VIEW IF EXISTS loud, active; CREATE VIEW active AS SELECT body FROM notes WHERE {where}"
    )


def loud(function: str = "upper") -> RepeatableStep:
    """Return the step that makes a view of that view."""
    return RepeatableStep(
        "loud", "Loud", up=f"CREATE OR REPLACE VIEW loud AS SELECT {function}(body) AS body FROM active", after=("active",)
    )


OTHER = RepeatableStep("other", "Other", up="CREATE OR REPLACE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'")


def plugin(*repeatable: RepeatableStep, steps: Sequence[MigrationStep] = (NOTES,), name: str = "p", schema: str | None = None) -> Plugin:
    """Return a plugin with these repeatable steps."""
    return make_plugin(name, *steps, repeatable=repeatable, schema=schema, version="1.0.0")


@pytest.mark.asyncio
async def test_they_run_after_the_others_and_once(database_url: str) -> None:
    """Each runs behind the versioned steps and what it comes after, is recorded, and a start after that is settled."""
    report = await migrate(database_url, plugin(loud(), OTHER, active()))
    assert names(report.steps) == ["notes", "other", "active", "loud"]
    assert [(step.version, step.direction, step.attempts) for step in report.steps] == [("1.0.0", "up", 1)] * 4
    assert report.steps[1].sql == OTHER.up
    assert await history(database_url) == [("p", name, True) for name in ("notes", "other", "active", "loud")]
    assert [row[0] for row in await query(database_url, ROWS)] == ["active", "loud", "other"]
    assert await applied(database_url) == [("p", "notes")]
    async with RoundTripProxy(database_url) as proxy:
        again = await migrate(proxy.url, plugin(loud(), OTHER, active()))
        assert (again.steps, again.run_id, proxy.round_trips) == ((), None, 1)
    assert await residue(database_url) == []


@pytest.mark.asyncio
async def test_what_changed_runs_again_with_what_comes_after_it(database_url: str) -> None:
    """Only these run, in their order; a change of line ends is none."""
    await migrate(database_url, plugin(active(), loud(), OTHER))
    report = await migrate(database_url, plugin(active("done"), loud(), OTHER))
    assert names(report.steps) == ["active", "loud"]
    await query(database_url, "INSERT INTO notes VALUES ('a', true) RETURNING 1")
    assert await query(database_url, "SELECT * FROM loud") == ["A"]
    assert names((await migrate(database_url, plugin(active("done"), loud("lower"), OTHER))).steps) == ["loud"]
    assert await query(database_url, "SELECT * FROM loud") == ["a"]
    crlf = RepeatableStep("many", "Many lines", up="SELECT 1;\r\nSELECT 2")
    assert names((await migrate(database_url, plugin(active("done"), loud("lower"), OTHER, crlf))).steps) == ["many"]
    lf = RepeatableStep("many", "Many lines", up="SELECT 1;\nSELECT 2")
    assert (await migrate(database_url, plugin(active("done"), loud("lower"), OTHER, lf))).run_id is None


@pytest.mark.asyncio
async def test_a_versioned_step_makes_none_run_again(database_url: str) -> None:
    """Neither a new step nor a new order is a reason; the new declaration costs one run that finds nothing to do."""
    await migrate(database_url, plugin(active(), OTHER))
    assert names((await migrate(database_url, plugin(active(), OTHER, steps=(NOTES, RANK)))).steps) == ["rank"]
    report = await migrate(database_url, plugin(OTHER, active(), steps=(NOTES, RANK)))
    assert report.steps == ()
    assert report.run_id is not None
    assert (await migrate(database_url, plugin(OTHER, active(), steps=(NOTES, RANK)))).run_id is None


@pytest.mark.asyncio
async def test_a_way_back_lets_all_run_anew(database_url: str) -> None:
    """Whatever is undone of a plugin, the next run takes all its repeatable steps; those of other plugins are left alone."""
    both = plugin(active(), loud(), steps=(NOTES, RANK)), plugin(OTHER, name="q", steps=())
    await migrate(database_url, *both)
    service = make_runtime(database_url, *both).get_service("p-migration")
    assert isinstance(service, PluginMigrationService)
    await service.rollback(steps=1)
    assert [row[0] for row in await query(database_url, ROWS)] == ["other"]
    assert names((await migrate(database_url, *both)).steps) == ["rank", "active", "loud"]
    await service.rollback()
    assert await query(database_url, "SELECT to_regclass('active'), to_regclass('notes')") == [(None, None)]
    assert names((await migrate(database_url, *both)).steps) == ["notes", "rank", "active", "loud"]


@pytest.mark.asyncio
async def test_a_failure_keeps_what_was_before_it(database_url: str) -> None:
    """Those before are run and recorded, the failure too; the next run takes the rest, also what only comes after something changed."""
    await migrate(database_url, plugin(active(), loud()))
    broken = RepeatableStep("broken", "Broken", up="SELECT 1;\nSELECT nothing", after=("active",))
    with pytest.raises(StepFailed) as caught:
        await migrate(database_url, plugin(active("done"), broken, loud()))
    error = caught.value
    assert (error.step, error.direction, error.location, error.sqlstate) == ("broken", "up", "line 2", "42703")
    assert (await history(database_url))[-2:] == [("p", "active", True), ("p", "broken", False)]
    assert [row[0] for row in await query(database_url, ROWS)] == ["active"]
    assert await query(database_url, "SELECT settled FROM roost.plugin") == [None]
    assert names((await migrate(database_url, plugin(active("done"), loud()))).steps) == ["loud"]


@pytest.mark.asyncio
async def test_one_that_may_pass_is_tried_again(database_url: str) -> None:
    """Alone, and those that shared its message are not; each is told in its turn, as one of all of the service's steps."""
    await migrate(database_url, make_plugin("before", TRIES))
    flaky = RepeatableStep(
        "flaky",
        "Flaky",
        up="DO $$BEGIN IF nextval('public.tries') = 1 THEN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END IF; END$$",
    )
    runtime = make_runtime(database_url, plugin(active(), flaky, loud()))
    told: list[object] = []
    runtime.events.subscribe(told.append, StepStarted, StepFinished, StepRetried)
    report = await MigrationOrchestrator(runtime).run_all_migrations()
    assert [(step.step, step.attempts) for step in report.steps] == [("notes", 1), ("active", 1), ("flaky", 2), ("loud", 1)]
    assert [(type(event).__name__, event.step) for event in told] == [  # type: ignore[attr-defined]
        ("StepStarted", "notes"),
        ("StepFinished", "notes"),
        ("StepStarted", "active"),
        ("StepFinished", "active"),
        ("StepStarted", "flaky"),
        ("StepRetried", "flaky"),
        ("StepFinished", "flaky"),
        ("StepStarted", "loud"),
        ("StepFinished", "loud"),
    ]
    assert [(event.index, event.total) for event in told if isinstance(event, StepStarted)] == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.asyncio
async def test_a_connection_that_breaks_in_the_middle(database_url: str) -> None:
    """What the server had committed is learned from the ledger and not run again, and the rest is run on a new connection."""
    await migrate(database_url, make_plugin("before", TRIES))
    cut = "SELECT CASE WHEN nextval('public.tries') = 1 THEN pg_terminate_backend(pg_backend_pid()) END"
    runtime = make_runtime(database_url, plugin(active(), RepeatableStep("cut", "Cut", up=cut), loud()))
    learned: list[tuple[str, bool]] = []
    runtime.events.subscribe(lambda event: learned.append((event.step, event.is_applied)), StepOutcomeLearned)
    report = await MigrationOrchestrator(runtime).run_all_migrations()
    assert names(report.steps) == ["notes", "active", "cut", "loud"]
    assert learned == [("notes", True), ("active", True), ("cut", False)]
    assert await query(database_url, "SELECT step FROM roost.history WHERE plugin = 'p' ORDER BY id") == names(report.steps)


@pytest.mark.asyncio
async def test_they_run_as_steps_do(database_url: str) -> None:
    """In the plugin's schema, made for them, under limits of their own; they can't end their transaction, and leave nothing behind."""
    look = RepeatableStep(
        "look",
        "Look",
        up="CREATE TABLE seen AS SELECT current_setting('lock_timeout') AS lock, current_setting('statement_timeout') AS statement; "
        "SET lock_timeout = 77; SELECT pg_advisory_lock(5)",
        lock_timeout=1.5,
        statement_timeout=30,
    )
    await migrate(database_url, plugin(look, steps=(), schema="own"))
    assert await query(database_url, "SELECT * FROM own.seen") == [("1500ms", "30s")]
    assert await query(database_url, "SELECT version FROM roost.plugin") == ["1.0.0"]
    assert await residue(database_url) == []
    with pytest.raises(StepFailed) as caught:
        await migrate(database_url, plugin(RepeatableStep("ends", "Ends", up="COMMIT"), steps=(), schema="own"))
    assert caught.value.sqlstate == "0A000"


@pytest.mark.asyncio
async def test_they_are_shown_before_they_run(database_url: str) -> None:
    """A dry run lists them and writes nothing, and the status counts them, before and after."""
    orchestrator = MigrationOrchestrator(make_runtime(database_url, plugin(active(), loud())))
    assert names((await orchestrator.run_all_migrations(dry_run=True)).steps) == ["notes", "active", "loud"]
    assert [one.pending for one in (await orchestrator.get_migration_status()).services] == [3]
    assert [one.steps for one in orchestrator.check_steps()] == [3]
    await orchestrator.run_all_migrations()
    assert [one.pending for one in (await orchestrator.get_migration_status()).services] == [0]
    assert not await orchestrator.has_pending_migrations()
    changed = MigrationOrchestrator(make_runtime(database_url, plugin(active("done"), loud())))
    assert await changed.has_pending_migrations()
    assert names((await changed.run_all_migrations(dry_run=True)).steps) == ["active", "loud"]
    assert [(one.pending, one.has_migrations) for one in (await changed.get_migration_status()).services] == [(2, True)]
    assert len(await history(database_url)) == 3


@pytest.mark.asyncio
async def test_one_that_is_no_longer_declared(database_url: str) -> None:
    """What it made is left, and its row too; each run tells so once."""
    await migrate(database_url, plugin(active(), OTHER))
    runtime = make_runtime(database_url, plugin(active()))
    told: list[tuple[str, ...]] = []
    runtime.events.subscribe(lambda event: told.append(event.steps), RepeatableStepsLeft)
    assert (await MigrationOrchestrator(runtime).run_all_migrations()).steps == ()
    assert told == [("other",)]
    assert await query(database_url, "SELECT one()") == [1]
    assert [row[0] for row in await query(database_url, ROWS)] == ["active", "other"]
    assert (await MigrationOrchestrator(runtime).run_all_migrations()).run_id is None


@pytest.mark.asyncio
async def test_code_that_is_older_runs_none(database_url: str) -> None:
    """Where the database is ahead, and also where only its version is higher, the older text stays where it is."""
    await migrate(database_url, plugin(active("done"), steps=(NOTES, RANK)))
    before = await query(database_url, ROWS)
    with pytest.raises(DatabaseAhead):
        await MigrationOrchestrator(make_runtime(database_url, plugin(active()))).run_all_migrations(refuse_ahead=True)
    assert (await migrate(database_url, plugin(active()))).steps == ()
    await migrate(database_url, make_plugin("q", repeatable=[OTHER], version="2.0.0"))
    old = make_plugin("q", repeatable=[RepeatableStep("other", "Other", up="SELECT 1")], version="1.9.0")
    assert (await migrate(database_url, old)).steps == ()
    assert [row for row in await query(database_url, ROWS) if row[0] == "active"] == before
    assert await query(database_url, "SELECT count(*) FROM roost.history WHERE plugin = 'q' AND step IS NOT NULL") == [1]
    # What it has not run it has not found satisfied either.
    assert (await migrate(database_url, old)).run_id is not None


@pytest.mark.asyncio
async def test_what_has_no_order_is_refused_before_anything_runs(database_url: str) -> None:
    """No step of any plugin is run, and no ledger is made."""
    circle = plugin(RepeatableStep("a", "A", up="A", after=("a",)), name="q")
    with pytest.raises(RepeatableCycle):
        await migrate(database_url, make_plugin("p", TRIES), circle)
    assert await query(database_url, "SELECT to_regclass('tries'), to_regnamespace('roost')") == [(None, None)]


@pytest.mark.asyncio
async def test_none_can_be_repaired(database_url: str) -> None:
    """The refusal says what it is; no run is opened for it."""
    await migrate(database_url, plugin(active()))
    runs = await query(database_url, "SELECT count(*) FROM roost.run")
    with pytest.raises(StepIsRepeatable):
        await MigrationOrchestrator(make_runtime(database_url, plugin(active()))).repair("p", "active", done=True)
    assert await query(database_url, "SELECT count(*) FROM roost.run") == runs


@pytest.mark.asyncio
async def test_several_share_a_message(database_url: str) -> None:
    """A hundred of them cost no more round trips than one does, and those that do not run cost none."""
    many = [RepeatableStep(f"v{number}", "A view", up=f"CREATE OR REPLACE VIEW v{number} AS SELECT 1 AS a") for number in range(101)]
    async with RoundTripProxy(database_url) as proxy:
        trips = []
        for count in (1, 1, 100, 101):
            proxy.reset()
            await migrate(proxy.url, plugin(*many[:count]))
            trips.append(proxy.round_trips)
    assert trips == [3, 1, 4, 4]


@pytest.mark.asyncio
async def test_replicas_at_one_instant(database_url: str, replicas: Replicas) -> None:
    """Four processes start with changed texts: each step runs once, and all end well."""

    def job(where: str) -> dict[str, object]:
        repeatable = [{"id": one.id, "up": one.up, "after": one.after} for one in (active(where), loud(), OTHER)]
        steps = [{"id": NOTES.id, "up": NOTES.up, "version": NOTES.version}]
        return {"url": database_url, "plugins": [{"name": "p", "steps": steps, "repeatable": repeatable}]}

    for where, expected in (("NOT done", ["notes", "active", "loud", "other"]), ("done", ["active", "loud"])):
        outcomes = await replicas.race(*[job(where)] * 4)
        assert [outcome.text for outcome in outcomes] == [""] * 4
        assert sorted(name for outcome in outcomes for name in outcome.steps) == sorted(f"p:{name}" for name in expected)
    assert [row[1] for row in await history(database_url)] == ["notes", "active", "loud", "other", "active", "loud"]
    assert await residue(database_url) == []


def files(folder: Path, *, manifest: bool) -> Plugin:
    """Return a plugin of a folder, whose manifest is written first if that is wanted."""
    cls = type("Files", (SqlMigrationService,), {"service_name": "files-migration", "directory": folder})
    found = Plugin("files", version="1.0.0", services=[cls])
    if manifest:
        (service,) = make_runtime("postgresql://nowhere", found).get_services_by_type("migration")
        assert isinstance(service, SqlMigrationService)
        service.write_manifest()
    return found


@pytest.mark.asyncio
@pytest.mark.parametrize("manifest", [False, True])
async def test_files(database_url: str, tmp_path: Path, manifest: bool) -> None:  # noqa: FBT001 -- a case
    """Files of the folder run like steps of a list; a failure names file and line."""
    (tmp_path / "repeatable").mkdir()
    (tmp_path / "001.sql").write_text("CREATE TABLE notes (body text, done bool)")
    (tmp_path / "repeatable" / "active.sql").write_text(active().up)
    (tmp_path / "repeatable" / "a_loud.sql").write_text(f"-- roost: after = active\n{loud().up}")
    assert names((await migrate(database_url, files(tmp_path, manifest=manifest))).steps) == ["001", "active", "a_loud"]
    assert (await migrate(database_url, files(tmp_path, manifest=manifest))).run_id is None
    (tmp_path / "repeatable" / "active.sql").write_text(active("done").up)
    assert names((await migrate(database_url, files(tmp_path, manifest=manifest))).steps) == ["active", "a_loud"]
    (tmp_path / "repeatable" / "active.sql").write_text("SELECT 1;\n\nSELECT nothing")
    with pytest.raises(StepFailed) as caught:
        await migrate(database_url, files(tmp_path, manifest=manifest))
    assert caught.value.location == f"{tmp_path / 'repeatable' / 'active.sql'}:3"


@pytest.mark.asyncio
async def test_history_is_optional_for_them_too(database_url: str) -> None:
    """Without history they run once all the same."""
    quiet = replace(QUICK, track_history=False)
    await migrate(database_url, plugin(active()), config=quiet)
    assert await history(database_url) == []
    assert (await migrate(database_url, plugin(active()), config=quiet)).run_id is None


@pytest.mark.asyncio
async def test_a_way_back_that_a_person_vouched_for(database_url: str) -> None:
    """A way back that came into doubt lets all run anew once it is known that the step is undone."""

    async def escape(ctx: MigrationContext) -> None:
        await ctx.execute("DROP VIEW active; DROP TABLE notes; COMMIT")

    both = plugin(active(), OTHER, steps=(replace(NOTES, down=escape),))
    await migrate(database_url, both)
    runtime = make_runtime(database_url, both)
    with pytest.raises(StepEscaped):
        await runtime.get_service(PluginMigrationService).rollback()
    assert [row[0] for row in await query(database_url, ROWS)] == ["active", "other"]
    await MigrationOrchestrator(runtime).repair("p", "notes", done=False)
    assert names((await migrate(database_url, both)).steps) == ["notes", "active", "other"]
