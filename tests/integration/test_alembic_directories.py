from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
import pytest

from roost import MigrationConfig, MigrationContext, MigrationOrchestrator, MigrationStep, Plugin, PluginMigrationService, Runtime
from roost.errors import (
    AlembicCommits,
    AlembicVersionsDiffer,
    InvalidAlembicDirectory,
    StepEscaped,
    StepFailed,
    StepsOutOfOrder,
)
from roost.interop import AlembicMigrationService, import_history
from tests.plugins.alembic_project import AlembicProject
from tests.plugins.build import residue, until
from tests.plugins.pgbouncer import busy, pgbouncer

Ask: TypeAlias = Callable[[str], Awaitable[list[Any]]]


@pytest.fixture
def project(tmp_path: Path, database_url: str) -> AlembicProject:
    """A project with two revisions, the second of which adds a column to the table of the first."""
    project = AlembicProject.init(tmp_path, database_url)
    project.revision("notes", up='op.create_table("notes", sa.Column("id", sa.Integer(), primary_key=True))', down='op.drop_table("notes")')
    project.revision("kind", up='op.add_column("notes", sa.Column("kind", sa.Text()))', down='op.drop_column("notes", "kind")')
    return project


@pytest.fixture
def ask(database_url: str) -> Ask:
    """Run a query; rows come as tuples."""

    async def run(query: str) -> list[Any]:
        connection = await asyncpg.connect(database_url)
        try:
            return [tuple(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    return run


async def up(runtime: Runtime) -> list[str]:
    """Migrate, and return the steps that were run."""
    return [step.step for step in (await MigrationOrchestrator(runtime).run_all_migrations()).steps]


def service_of(runtime: Runtime) -> AlembicMigrationService:
    (service,) = runtime.get_services_by_type("migration")
    assert isinstance(service, AlembicMigrationService)
    return service


COLUMNS = "SELECT column_name::text FROM information_schema.columns WHERE table_name = 'notes' ORDER BY ordinal_position"


@pytest.mark.asyncio
async def test_up_and_down(project: AlembicProject, ask: Ask) -> None:
    """Each revision is a step; Alembic agrees after each run, there and back, and a second run has nothing to do."""
    runtime = project.runtime()
    assert await up(runtime) == ["notes", "kind"]
    assert await up(project.runtime()) == []
    assert await ask(COLUMNS) == [("id",), ("kind",)]
    assert project.current() == ["kind"]
    assert await ask("SELECT step, state FROM roost.applied ORDER BY position") == [("notes", "done"), ("kind", "done")]
    await service_of(project.runtime()).rollback(steps=1)
    assert (await ask(COLUMNS), project.current()) == ([("id",)], ["notes"])
    await service_of(project.runtime()).rollback()
    assert (await ask(COLUMNS), project.current()) == ([], [])
    assert await up(project.runtime()) == ["notes", "kind"]


START = """
import asyncio, sys
from pathlib import Path
from typing import ClassVar
from roost import MigrationOrchestrator, Plugin, Runtime
from roost.interop import AlembicMigrationService

class Migrations(AlembicMigrationService):
    directory = "alembic.ini"

runtime = Runtime(plugins=[Plugin("notes", version="1.0.0", services=[Migrations])], database=sys.argv[1])
report = asyncio.run(MigrationOrchestrator(runtime).run_all_migrations())
print([step.step for step in report.steps], sorted({"alembic", "sqlalchemy"} & sys.modules.keys()))
"""


def test_a_start_with_nothing_to_do(project: AlembicProject) -> None:
    """It imports neither alembic nor a revision; as soon as a file of the directory changes, all are read."""

    def start() -> str:
        done = subprocess.run([sys.executable, "-c", START, project.url], cwd=project.folder, check=True, text=True, stdout=subprocess.PIPE)
        return done.stdout.strip()

    assert start() == "['notes', 'kind'] ['alembic', 'sqlalchemy']"
    assert start() == "[] []"
    project.revision("more")
    assert start() == "['more'] ['alembic', 'sqlalchemy']"
    assert start() == "[] []"


@pytest.mark.asyncio
async def test_offline(project: AlembicProject, ask: Ask) -> None:
    """A plan, and one back, show the SQL that Alembic writes offline, and write nothing; a revision that asks the database shows none."""
    project.revision("rows", up='op.get_bind().execute(sa.text("SELECT 1")).scalar_one()')
    runtime = project.runtime()
    report = await MigrationOrchestrator(runtime).run_all_migrations(dry_run=True)
    assert [(step.step, step.description) for step in report.steps] == [("notes", "the notes"), ("kind", "the kind"), ("rows", "the rows")]
    assert [step.sql and " ".join(step.sql.split()) for step in report.steps] == [
        "CREATE TABLE notes ( id SERIAL NOT NULL, PRIMARY KEY (id) );",
        "ALTER TABLE notes ADD COLUMN kind TEXT;",
        None,
    ]
    assert await ask("SELECT count(*) FROM pg_tables WHERE schemaname NOT LIKE 'pg%' AND schemaname <> 'information_schema'") == [(0,)]
    await up(project.runtime())
    back = await service_of(project.runtime()).rollback(steps=2, dry_run=True)
    assert [step.sql for step in back.steps] == ["", "ALTER TABLE notes DROP COLUMN kind;"]


@pytest.mark.asyncio
async def test_branches_and_merges(project: AlembicProject) -> None:
    """A branch that comes to light below what is applied, after the rest was read, is run; a merge after both; the way back parts them."""
    assert await up(project.runtime()) == ["notes", "kind"]
    runtime = project.runtime()
    service_of(runtime).load_steps()
    project.revision("tags", "--splice", "--head", "notes", up='op.create_table("tags", sa.Column("id", sa.Integer()))')
    assert await up(runtime) == ["tags"]
    assert project.current() == ["kind", "tags"]
    project.alembic("merge", "-m", "both", "--rev-id", "both", "heads")
    project.revision("other", "--head", "base", "--depends-on", "both")
    assert await up(project.runtime()) == ["both", "other"]
    assert project.current() == ["both", "other"]
    await service_of(project.runtime()).rollback(steps=2)
    assert project.current() == ["kind", "tags"]


@pytest.mark.pgbouncer
@pytest.mark.asyncio
async def test_behind_a_pooler(project: AlembicProject) -> None:
    """Behind one that pools by transaction, among busy clients, revisions run and are imported as elsewhere."""
    async with pgbouncer(project.url, mode="transaction") as url, busy(url):
        runtime = project.runtime()
        runtime.database = url
        assert await up(runtime) == ["notes", "kind"]
        project.revision("more")
        project.alembic("upgrade", "head")
        runtime = project.runtime()
        runtime.database = url
        assert (await import_history(runtime, "notes", tool="alembic")).steps == ("more",)
    assert project.current() == ["more"]


@pytest.mark.asyncio
async def test_a_rehearsal(project: AlembicProject, ask: Ask) -> None:
    """Revisions are rehearsed like other steps, each on what the one before has done, and nothing of it stays."""
    report = await MigrationOrchestrator(project.runtime()).rehearse()
    assert [(step.step, step.error) for step in report.steps] == [("notes", None), ("kind", None)]
    assert await ask("SELECT to_regclass('notes')::text, to_regclass('alembic_version')::text") == [(None, None)]


@pytest.mark.asyncio
async def test_a_connection_that_breaks(project: AlembicProject, ask: Ask) -> None:
    """The run connects anew and takes the revision again, which left nothing behind."""
    body = """op.create_table("once", sa.Column("id", sa.Integer()))
    from pathlib import Path
    broken = Path(__file__).with_name("broken")
    if not broken.exists():
        broken.touch()
        op.execute("SELECT pg_terminate_backend(pg_backend_pid())")"""
    project.revision("once", up=body)
    runtime = project.runtime()
    runtime.config = MigrationConfig(retry_delay=0.01)
    assert await up(runtime) == ["notes", "kind", "once"]
    assert (await ask("SELECT count(*) FROM once"), project.current()) == ([(0,)], ["once"])


@pytest.mark.asyncio
async def test_cancelled_in_a_revision(project: AlembicProject, ask: Ask) -> None:
    """It leaves no lock, no open transaction and no half revision, and the next run takes the revision."""
    path = project.write("kind", up='op.add_column("notes", sa.Column("kind", sa.Text()))\n    op.execute("SELECT pg_sleep(600)")')
    running = asyncio.create_task(up(project.runtime()))
    await until(project.url, "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await residue(project.url) == []
    assert (await ask(COLUMNS), project.current()) == ([("id",)], ["notes"])
    path.write_text(path.read_text().replace("600", "0"))
    assert await up(project.runtime()) == ["kind"]


@pytest.mark.asyncio
async def test_a_failing_revision_leaves_nothing(project: AlembicProject, ask: Ask) -> None:
    """It is rolled back whole, Alembic's row included; the error has the server's words, its SQLSTATE, and the line of the revision."""
    path = project.write("kind", up='op.add_column("notes", sa.Column("kind", sa.Text()))\n    op.execute("SELECT nothing")')
    with pytest.raises(StepFailed) as caught:
        await up(project.runtime())
    line = path.read_text().splitlines().index('    op.execute("SELECT nothing")') + 1
    assert (caught.value.step, caught.value.sqlstate, caught.value.location) == ("kind", "42703", f"{path}:{line}")
    assert 'column "nothing" does not exist' in caught.value.message
    assert (await ask(COLUMNS), project.current()) == ([("id",)], ["notes"])
    project.write("kind", up='op.add_column("notes", sa.Column("kind", sa.Text()))')
    assert await up(project.runtime()) == ["kind"]


@pytest.mark.asyncio
async def test_transactions_of_a_revision_are_savepoints(project: AlembicProject, ask: Ask) -> None:
    """What a revision's session rolls back is gone, what it commits stays in the step, and the step is still one."""
    body = """from sqlalchemy.orm import Session
    with Session(bind=op.get_bind(), join_transaction_mode="create_savepoint") as session:
        session.execute(sa.text("INSERT INTO notes VALUES (1)"))
        session.rollback()
        session.execute(sa.text("INSERT INTO notes VALUES (2)"))
        session.commit()
    with op.get_bind().begin_nested():
        op.execute("INSERT INTO notes VALUES (3)")"""
    project.revision("rows", up=body)
    await up(project.runtime())
    assert await ask("SELECT id FROM notes ORDER BY id") == [(2,), (3,)]
    ended = """op.execute("INSERT INTO notes VALUES (4)")
    op.get_bind().commit()
    op.execute("INSERT INTO notes VALUES (5)")
    op.get_bind().rollback()
    op.execute("INSERT INTO notes VALUES (6)")"""
    project.revision("more", up=f'{ended}\n    op.execute("SELECT nothing")')
    with pytest.raises(StepFailed, match="nothing"):
        await up(project.runtime())
    assert await ask("SELECT id FROM notes ORDER BY id") == [(2,), (3,)]
    project.write("more", up=ended)
    await up(project.runtime())
    assert await ask("SELECT id FROM notes ORDER BY id") == [(2,), (3,), (4,), (6,)]


@pytest.mark.asyncio
async def test_json_is_left_as_it_is(project: AlembicProject, ask: Ask) -> None:
    """A revision reads and writes JSON as under Alembic, and the run's connection has no codec of SQLAlchemy's afterwards."""
    body = """table = op.create_table("docs", sa.Column("doc", sa.dialects.postgresql.JSONB()), sa.Column("other", sa.JSON()))
    op.bulk_insert(table, [{"doc": {"a": [1]}, "other": {"b": None}}])
    row = tuple(op.get_bind().execute(sa.select(table)).one())
    assert row == ({"a": [1]}, {"b": None}), row"""
    project.revision("docs", up=f"import sqlalchemy.dialects.postgresql\n    {body}")
    seen: list[str] = []

    async def read(ctx: MigrationContext) -> None:
        seen.append(await ctx.fetchval("SELECT doc FROM docs"))

    class Reading(PluginMigrationService):
        steps = (MigrationStep("read", "Read", up=read, version="1.0.0"),)

    plugins = [*project.runtime().plugins, Plugin("reading", dependencies=["notes"], services=[Reading])]
    await up(Runtime(plugins=plugins, database=project.url))
    assert seen == ['{"a": [1]}']
    assert await ask("SELECT doc::text, other::text FROM docs") == [('{"a": [1]}', '{"b": null}')]


@pytest.mark.asyncio
async def test_autocommit_blocks_are_refused(project: AlembicProject) -> None:
    """A revision that wants to commit in its middle is refused by name, with what to do."""
    project.revision("find", up='with op.get_context().autocommit_block():\n        op.execute("SELECT 1")')
    with pytest.raises(StepFailed) as caught:
        await up(project.runtime())
    assert isinstance(caught.value.__cause__, AlembicCommits)
    assert project.current() == ["kind"]


@pytest.mark.asyncio
async def test_a_revision_that_commits_by_itself(project: AlembicProject) -> None:
    """Nobody is told that it was rolled back, and nothing goes on before somebody has looked."""
    project.revision("find", up='op.execute("COMMIT")')
    for _ in range(2):
        with pytest.raises(StepEscaped, match="find"):
            await up(project.runtime())


@pytest.mark.asyncio
async def test_alembic_went_ahead(project: AlembicProject) -> None:
    """What Alembic has run is not run again, and neither is what it would take for a gap; each error says what to do."""
    project.alembic("upgrade", "head")
    with pytest.raises(StepFailed) as caught:
        await up(project.runtime())
    cause = caught.value.__cause__
    assert isinstance(cause, AlembicVersionsDiffer)
    assert cause.ahead == ("notes",)
    await MigrationOrchestrator(project.runtime()).claim("notes", lambda steps: [step.id for step in steps])
    project.revision("more")
    project.alembic("stamp", "notes")
    with pytest.raises(StepFailed) as caught:
        await up(project.runtime())
    cause = caught.value.__cause__
    assert isinstance(cause, AlembicVersionsDiffer)
    assert (cause.lacking, "alembic stamp kind" in cause.hint) == (("kind",), True)


@pytest.mark.asyncio
async def test_a_gap_is_out_of_order(project: AlembicProject) -> None:
    """A revision that is missing below an applied one is refused, as with other steps."""
    orchestrator = MigrationOrchestrator(project.runtime())
    await orchestrator.mark("notes", "notes")
    await orchestrator.mark("notes", "kind")
    project.revision("between", "--head", "notes", "--splice")
    path = next((project.folder / "migrations" / "versions").glob("kind_*.py"))
    path.write_text(path.read_text().replace("= 'notes'", "= 'between'"))
    with pytest.raises(StepsOutOfOrder):
        await up(project.runtime())


@pytest.mark.asyncio
async def test_two_runtimes_at_once(project: AlembicProject, tmp_path: Path, new_database: Callable[[], Awaitable[str]]) -> None:
    """Alembic's `op` is one for the process: revisions of two runs in one loop take turns, and each works on its own database."""
    (tmp_path / "second").mkdir()
    other = AlembicProject.init(tmp_path / "second", await new_database())
    other.revision("apart", up='op.create_table("apart", sa.Column("id", sa.Integer()))')
    project.revision("slow", up='op.create_table("slow", sa.Column("id", sa.Integer()))')
    both = await asyncio.gather(up(project.runtime()), up(other.runtime()))
    assert list(both) == [["notes", "kind", "slow"], ["apart"]]
    assert (project.current(), other.current()) == (["slow"], ["apart"])


@pytest.mark.asyncio
async def test_a_schema_of_its_own(project: AlembicProject, ask: Ask) -> None:
    """The plugin's schema takes the tables and Alembic's own; a naming convention of the project's names what has no name."""
    import sqlalchemy as sa  # noqa: PLC0415 -- the service is given what the project's env.py has

    project.revision("rule", up='op.create_unique_constraint(None, "notes", ["kind"])')

    class Migrations(AlembicMigrationService):
        directory = project.folder / "migrations"
        schema = "own"
        service_name = "migrations"
        version_table = "versions"
        target_metadata = sa.MetaData(naming_convention={"uq": "uq_%(table_name)s_%(column_0_name)s"})

    assert await up(Runtime(services=[Migrations], database=project.url)) == ["notes", "kind", "rule"]
    assert await ask("SELECT tablename::text FROM pg_tables WHERE schemaname = 'own' ORDER BY 1") == [("notes",), ("versions",)]
    await ask("TRUNCATE roost.applied, roost.plugin")
    claimed = await import_history(Runtime(services=[Migrations], database=project.url), "migrations", tool="alembic")
    assert claimed.steps == ("notes", "kind", "rule")
    assert await ask("SELECT conname::text FROM pg_constraint WHERE conrelid = 'own.notes'::regclass AND contype = 'u'") == [
        ("uq_notes_kind",)
    ]


def test_directories_that_cannot_be_read(project: AlembicProject, tmp_path: Path) -> None:
    """Each is refused by its path and reason; the checking command says so without a database."""

    def reason(path: Path) -> str:
        class Migrations(AlembicMigrationService):
            directory = path

        with pytest.raises(InvalidAlembicDirectory) as caught:
            Migrations().load_steps()
        return caught.value.reason

    assert reason(tmp_path / "nowhere") == "there is no such file or folder"
    assert reason(tmp_path) == "there is no folder 'versions' in it"
    (tmp_path / "empty.ini").write_text("[alembic]\n")
    assert reason(tmp_path / "empty.ini") == "it names no script_location"
    (tmp_path / "broken.ini").write_text("[[[\n")
    assert reason(tmp_path / "broken.ini").startswith("MissingSectionHeaderError: File contains no section headers. file: ")
    (kind,) = (tmp_path / "migrations" / "versions").glob("kind_*.py")
    twin = kind.with_name("twin_kind.py")
    twin.write_text(kind.read_text())
    assert reason(tmp_path / "alembic.ini") == "UserWarning: Revision kind is present more than once"
    twin.write_text(kind.read_text().replace("'kind'", "'twin'").replace("'notes'", "'gone'"))
    assert reason(tmp_path / "alembic.ini") == "UserWarning: Revision gone referenced from gone -> twin (head), the kind is not present"
    twin.write_text(kind.read_text().replace("'kind'", "'twin'").replace("'notes'", "'twin'"))
    assert reason(tmp_path / "alembic.ini").startswith("CommandError: ")  # it revises itself
    twin.unlink()
    project.write("kind", up="nonsense here")
    assert reason(tmp_path / "alembic.ini").startswith("SyntaxError: ")
    (check,) = MigrationOrchestrator(project.runtime()).check_steps()
    assert isinstance(check.error, InvalidAlembicDirectory)
