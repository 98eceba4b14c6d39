"""Runs of a folder of SQL files for which a manifest stands."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from roost import MigrationOrchestrator, MigrationStep, Plugin, SqlMigrationService
from roost.errors import InvalidManifest, ManifestMismatch, NoRollbackMethod, StepFailed
from roost.testing import RoundTripProxy
from tests.plugins.build import applied, make_plugin, make_runtime, migrate, names, query

ROOT = Path(__file__).resolve().parents[2]

# Prints what a start opens and lists in the folder.
PROGRAM = """
import asyncio, json, os, sys
from pathlib import Path
from roost import Plugin, Runtime, SqlMigrationService

class Files(SqlMigrationService):
    service_name = "files"
    directory = Path(sys.argv[2])

touched = []

def note(event, arguments):
    if event in ("open", "os.listdir", "os.scandir") and isinstance(arguments[0], (str, os.PathLike)):
        if Path(sys.argv[2]) in (Path(arguments[0]), Path(arguments[0]).parent):
            touched.append([event, Path(arguments[0]).name])

async def main():
    async with Runtime(plugins=[Plugin("files", version="1.0.0", services=[Files])], database=sys.argv[1]):
        pass

sys.addaudithook(note)
asyncio.run(main())
print(json.dumps(touched))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of two migrations."""
    (tmp_path / "files").mkdir()
    write(tmp_path / "files", a="CREATE TABLE a (id int)", b="CREATE TABLE b (id int)")
    return tmp_path / "files"


def write(folder: Path, **files: str) -> None:
    """Write SQL files, named by keyword without their ending."""
    for name, text in files.items():
        (folder / f"{name}.sql").write_text(text)


def remove_files(folder: Path) -> None:
    """Take every SQL file away."""
    for path in folder.glob("*.sql"):
        path.unlink()


def plugin_of(folder: Path, *, dependencies: Sequence[str] = ()) -> Plugin:
    """Return a plugin whose steps are the folder's files."""
    cls = type("Files", (SqlMigrationService,), {"service_name": "files-migration", "directory": folder})
    return Plugin("files", version="1.0.0", services=[cls], dependencies=dependencies)


def write_manifest(url: str, folder: Path) -> None:
    """Write the folder's manifest."""
    (service,) = make_runtime(url, plugin_of(folder)).get_services_by_type("migration")
    assert isinstance(service, SqlMigrationService)
    service.write_manifest()


def touched_by_a_start(url: str, folder: Path) -> list[list[str]]:
    """Return what a process that starts a runtime opens and lists in the folder."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, url, str(folder)], cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE
    )
    found: list[list[str]] = json.loads(done.stdout)
    return found


def test_a_start_with_nothing_to_do_opens_the_manifest_alone(database_url: str, folder: Path) -> None:
    """It opens no SQL file and lists no folder, and starts although the files are gone; without a manifest it reads them all."""
    touched_by_a_start(database_url, folder)
    assert [name for _, name in touched_by_a_start(database_url, folder) if name != "roost.sum"] == ["files", "a.sql", "b.sql"]
    write_manifest(database_url, folder)
    assert ["open", "b.sql"] in touched_by_a_start(database_url, folder)
    assert touched_by_a_start(database_url, folder) == [["open", "roost.sum"]]
    remove_files(folder)
    assert touched_by_a_start(database_url, folder) == [["open", "roost.sum"]]


@pytest.mark.asyncio
async def test_what_is_settled_with_a_manifest_stays_settled(database_url: str, folder: Path) -> None:
    """The start after a run costs one round trip; a manifest that comes or goes costs one run that finds nothing to do."""
    write_manifest(database_url, folder)
    assert names((await migrate(database_url, plugin_of(folder))).steps) == ["a", "b"]
    async with RoundTripProxy(database_url) as proxy:
        assert (await migrate(proxy.url, plugin_of(folder))).run_id is None
        alone = proxy.round_trips
        (folder / "roost.sum").unlink()
        report = await migrate(proxy.url, plugin_of(folder))
        assert report.run_id is not None
        assert report.steps == ()
        before = proxy.round_trips
        assert (await migrate(proxy.url, plugin_of(folder))).run_id is None
        assert proxy.round_trips - before == alone


@pytest.mark.asyncio
async def test_a_file_that_differs_is_refused_before_anything_runs(database_url: str, folder: Path) -> None:
    """No step of any plugin is run, the error names the files, and it is the service with the files that failed."""
    write_manifest(database_url, folder)
    write(folder, b="CREATE TABLE other (id int)", c="CREATE TABLE c (id int)")
    first = make_plugin("first", MigrationStep("x", "Make x", "CREATE TABLE x (id int)", version="1.0.0"))
    orchestrator = MigrationOrchestrator(make_runtime(database_url, first, plugin_of(folder, dependencies=["first"])))
    with pytest.raises(ManifestMismatch) as caught:
        await orchestrator.run_all_migrations()
    assert (caught.value.changed, caught.value.unlisted) == (("b.sql",), ("c.sql",))
    assert caught.value.__notes__ == ["migrations done: none; failed: files-migration; not run: first-migration"]
    assert await applied(database_url) == []
    assert await query(database_url, "SELECT count(*) FROM roost.run WHERE open") == [0]
    status = await orchestrator.get_migration_status()
    assert [(one.service_name, one.state, one.pending) for one in status.services] == [
        ("first-migration", "idle", 1),
        ("files-migration", "failed", None),
    ]
    write_manifest(database_url, folder)
    assert names((await orchestrator.run_all_migrations()).steps) == ["x", "a", "b", "c"]


@pytest.mark.asyncio
async def test_files_that_are_proven_have_no_part_in_what_fails_later(database_url: str, folder: Path) -> None:
    """A step's failure is its own service's, although the files of another were looked at before."""
    write_manifest(database_url, folder)
    first = make_plugin("first", MigrationStep("x", "Fail", "SELECT 1/0", version="1.0.0"))
    with pytest.raises(StepFailed) as caught:
        await migrate(database_url, first, plugin_of(folder, dependencies=["first"]))
    assert caught.value.__notes__ == ["migrations done: none; failed: first-migration; not run: files-migration"]


@pytest.mark.asyncio
async def test_a_new_file_without_its_line(database_url: str, folder: Path) -> None:
    """A start that trusts the manifest doesn't see it; who asks for the files to be proven is told."""
    write_manifest(database_url, folder)
    await migrate(database_url, plugin_of(folder))
    write(folder, c="CREATE TABLE c (id int)")
    orchestrator = MigrationOrchestrator(make_runtime(database_url, plugin_of(folder)))
    assert (await orchestrator.run_all_migrations()).run_id is None
    with pytest.raises(ManifestMismatch):
        await orchestrator.run_all_migrations(prove_files=True)
    with pytest.raises(ManifestMismatch):
        await orchestrator.run_all_migrations(dry_run=True)
    write_manifest(database_url, folder)
    assert names((await orchestrator.run_all_migrations(prove_files=True)).steps) == ["c"]


@pytest.mark.asyncio
async def test_rolling_back_reads_proven_files(database_url: str, folder: Path) -> None:
    """What a file has become since its manifest was written is not used to undo it."""
    write(folder, **{"b.down": "DROP TABLE b"})
    write_manifest(database_url, folder)
    await migrate(database_url, plugin_of(folder))
    write(folder, **{"b.down": "DROP TABLE a"})
    (service,) = make_runtime(database_url, plugin_of(folder)).get_services_by_type("migration")
    with pytest.raises(ManifestMismatch):
        await service.rollback(steps=1)
    write(folder, **{"b.down": "DROP TABLE b"})
    await service.rollback(steps=1)
    assert await applied(database_url) == [("files", "a")]
    with pytest.raises(NoRollbackMethod):
        await service.rollback(steps=1)


@pytest.mark.asyncio
async def test_a_broken_manifest_or_folder_shows_in_the_status(database_url: str, folder: Path) -> None:
    """A status tells of it and of every other service; a start, migrating or not, is refused with it."""
    await migrate(database_url, plugin_of(folder))
    other = make_plugin("other", MigrationStep("x", "Make x", "CREATE TABLE x (id int)", version="1.0.0"))
    (folder / "roost.sum").write_text("<<<<<<< HEAD\n")
    for broken in ("a merge conflict is left in it", "there is no .sql file in it"):
        status = await MigrationOrchestrator(make_runtime(database_url, plugin_of(folder), other)).get_migration_status()
        files, fine = status.services
        assert (files.state, files.version, files.target_version, files.has_migrations) == ("blocked", "1.0.0", None, True)
        assert broken in (files.error or "")
        assert (fine.state, fine.pending, fine.target_version) == ("idle", 1, "1.0.0")
        (folder / "roost.sum").unlink(missing_ok=True)
        remove_files(folder)
    (folder / "roost.sum").write_text("<<<<<<< HEAD\n")
    for auto_migrate in (True, False):
        plugin = plugin_of(folder)
        with pytest.raises(InvalidManifest):
            await MigrationOrchestrator(make_runtime(database_url, plugin, auto_migrate=auto_migrate)).prepare([plugin])
