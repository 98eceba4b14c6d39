from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from roost import MigrationOrchestrator, MigrationStep, Plugin, PluginMigrationService, Runtime, SqlMigrationService
from roost.errors import (
    DuplicateStep,
    InvalidManifest,
    InvalidService,
    InvalidSqlFile,
    ManifestMismatch,
    ManifestNotWritten,
    SeveralMigrationServices,
)
from roost.interop import AlembicMigrationService
from roost.migrations import ManifestChanges
from roost.migrations._manifest_file import write_manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two migrations."""
    (tmp_path / "a.sql").write_text("SELECT 1")
    (tmp_path / "b.sql").write_text("SELECT 2")
    return tmp_path


def service_of(
    folder: Path, *, base: type[SqlMigrationService] = SqlMigrationService, version: str | None = "1.0.0"
) -> SqlMigrationService:
    """Return the service of a folder, bound to a plugin of a version."""
    cls = type("Files", (base,), {"service_name": "files", "directory": folder})
    (service,) = Runtime(plugins=[Plugin("files", version=version, services=[cls])]).get_services_by_type("migration")
    assert isinstance(service, SqlMigrationService)
    return service


def remove_files(folder: Path) -> None:
    """Take every SQL file away."""
    for path in folder.glob("*.sql"):
        path.unlink()


@pytest.mark.parametrize("base", [SqlMigrationService, AlembicMigrationService])
def test_a_service_without_a_directory(base: type[PluginMigrationService]) -> None:
    """It is refused when it is made, with what to write."""
    cls = type("Files", (base,), {"service_name": "files"})
    with pytest.raises(InvalidService, match="it names no directory") as refused:
        Runtime(plugins=[Plugin("files", services=[cls])]).get_services_by_type("migration")
    assert "directory = " in refused.value.hint


def test_a_manifest_stands_for_the_files(folder: Path) -> None:
    """What is declared, and the version aimed at, come from the manifest alone, also where the files are gone."""
    write_manifest(folder)
    service = service_of(folder)
    declared = service.declaration("strict")
    remove_files(folder)
    assert service.declaration("strict") == declared
    assert service.target_version() == "1.0.0"
    assert service.has_plugin_migrations("files")
    with pytest.raises(ManifestMismatch):
        service.load_steps()


def test_without_a_manifest_the_files_are_read(folder: Path) -> None:
    """What is declared follows the files."""
    service = service_of(folder)
    declared = service.declaration("strict")
    (folder / "b.sql").write_text("SELECT 3")
    assert service.declaration("strict") != declared
    remove_files(folder)
    with pytest.raises(InvalidSqlFile):
        service.declaration("strict")


def test_what_is_declared_depends_on_all_that_counts(folder: Path) -> None:
    """Another policy, version, target or manifest is another declaration; another line end is not."""

    class Aiming(SqlMigrationService):
        def get_target_version(self) -> str:
            return "0.5.0"

    write_manifest(folder)
    declared = [
        service_of(folder).declaration("strict"),
        service_of(folder).declaration("allow"),
        service_of(folder, version="1.1.0").declaration("strict"),
        service_of(folder, version=None).declaration("strict"),
        service_of(folder, base=Aiming).declaration("strict"),
        service_of(folder, base=Aiming, version="1.1.0").declaration("strict"),
    ]
    assert service_of(folder, base=Aiming).target_version() == "0.5.0"
    assert service_of(folder, version=None).target_version() == "0.0.0"
    (folder / "roost.sum").write_bytes((folder / "roost.sum").read_bytes().replace(b"\n", b"\r\n"))
    assert service_of(folder).declaration("strict") == declared[0]
    (folder / "b.sql").write_text("SELECT 3")
    assert service_of(folder).declaration("strict") == declared[0]
    service_of(folder).write_manifest()
    declared.append(service_of(folder).declaration("strict"))
    assert len(set(declared)) == len(declared)


def test_the_target_is_the_same_with_and_without_a_manifest(folder: Path) -> None:
    """A manifest changes what is read, and not which version is aimed at."""
    without = [service_of(folder, version=version).target_version() for version in ("1.0.0", None)]
    write_manifest(folder)
    assert [service_of(folder, version=version).target_version() for version in ("1.0.0", None)] == without == ["1.0.0", "0.0.0"]


def test_a_manifest_knows_nothing_of_steps_made_in_code(folder: Path) -> None:
    """Where a class adds to the files or computes its steps, these count as they do without a manifest."""

    class Adding(SqlMigrationService):
        more = "SELECT 3"

        def load_steps(self) -> Sequence[MigrationStep]:
            return [*super().load_steps(), MigrationStep("more", "More", self.more)]

    class Computing(SqlMigrationService):
        target = "1.0.0"

        def get_target_version(self) -> str:
            return self.target

        def get_migration_steps(self, from_version: str, to_version: str) -> Sequence[MigrationStep]:
            return []

    write_manifest(folder)
    before = [service_of(folder, base=base).declaration("strict") for base in (Adding, Computing)]
    Adding.more, Computing.target = "SELECT 4", "2.0.0"
    after = [service_of(folder, base=base).declaration("strict") for base in (Adding, Computing)]
    assert all(one != other for one, other in zip(before, after, strict=True))
    (folder / "roost.sum").write_text("nothing that could be read")
    assert service_of(folder, base=Computing).declaration("strict") == after[1]


def test_a_manifest_of_no_use_is_an_error_at_once(folder: Path) -> None:
    """It is not passed over in favour of the files."""
    (folder / "roost.sum").write_text("<<<<<<< HEAD\n")
    with pytest.raises(InvalidManifest, match="merge conflict"):
        service_of(folder).declaration("strict")


def orchestrator(*plugins: Plugin) -> MigrationOrchestrator:
    """Return the orchestrator of a runtime without a database."""
    return MigrationOrchestrator(Runtime(plugins=plugins))


def files_plugin(folder: Path, name: str = "files", **fields: Any) -> Plugin:
    """Return a plugin whose steps are files."""
    cls = type("Files", (SqlMigrationService,), {"service_name": f"{name}-migration", "directory": folder})
    return Plugin(name, version="1.0.0", services=[cls], **fields)


def code_plugin(name: str, *ids: str, services: int = 1) -> Plugin:
    """Return a plugin whose steps are in code."""
    steps = [MigrationStep(one, one, "SELECT 1", version="1.0.0") for one in ids]
    return Plugin(
        name,
        services=[
            type("Steps", (PluginMigrationService,), {"service_name": f"{name}-{number}", "steps": steps}) for number in range(services)
        ],
    )


async def legacy(_database: object) -> None:
    """Migrate in the old way."""


def test_every_service_that_keeps_the_ledger_is_checked(folder: Path) -> None:
    """Steps are counted as an empty database would get them, files and their manifests are told, and no database is needed."""
    found = orchestrator(files_plugin(folder, run_plugin_migrations=legacy), code_plugin("coded", "x"), Plugin("none")).check_steps()
    assert [(one.plugin, one.service_name, one.steps, one.directory, one.has_manifest, one.changes, one.error) for one in found] == [
        ("coded", "coded-0", 1, None, None, None, None),
        ("files", "files-legacy-migration", 1, None, None, None, None),
        ("files", "files-migration", 2, str(folder), False, None, None),
    ]
    write_manifest(folder)
    assert [one.has_manifest for one in orchestrator(files_plugin(folder)).check_steps()] == [True]


def test_what_is_wrong_is_told_service_by_service(folder: Path) -> None:
    """Each error belongs to its service, and the others are checked all the same."""
    write_manifest(folder)
    (folder / "c.sql").write_text("SELECT 3")
    found = orchestrator(
        files_plugin(folder), code_plugin("coded", "x", "x"), code_plugin("fine", "x"), code_plugin("two", "x", services=2)
    ).check_steps()
    errors = {one.service_name: type(one.error) for one in found}
    assert errors == {
        "coded-0": DuplicateStep,
        "files-migration": ManifestMismatch,
        "fine-0": type(None),
        "two-0": SeveralMigrationServices,
        "two-1": SeveralMigrationServices,
    }


def test_files_are_proven_where_a_class_reads_them_in_its_own_way(folder: Path) -> None:
    """A check holds the folder against its manifest whatever the class makes of it."""

    class Own(SqlMigrationService):
        def load_steps(self) -> Sequence[MigrationStep]:
            return [MigrationStep("own", "Own", "SELECT 1")]

    write_manifest(folder)
    (folder / "c.sql").write_text("SELECT 3")
    cls = type("Files", (Own,), {"service_name": "own", "directory": folder})
    (found,) = orchestrator(Plugin("own", services=[cls])).check_steps()
    assert isinstance(found.error, ManifestMismatch)


def test_manifests_are_written_for_one_plugin_or_all(tmp_path: Path) -> None:
    """Writing is told file by file; of a plugin that is not asked for nothing is written; unusable files are refused."""
    plugins = []
    for name in ("one", "two", "bad"):
        (tmp_path / name).mkdir()
        (tmp_path / name / ("a.down.sql" if name == "bad" else "a.sql")).write_text("SELECT 1")
        plugins.append(files_plugin(tmp_path / name, name))
    (found,) = orchestrator(*plugins).check_steps("one", write=True)
    assert (found.changes, found.has_manifest, found.error) == (ManifestChanges(written=True, added=("a.sql",)), True, None)
    assert not (tmp_path / "two" / "roost.sum").exists()
    changes = {one.plugin: one.changes for one in orchestrator(*plugins).check_steps(write=True)}
    assert changes == {"one": ManifestChanges(written=False), "two": ManifestChanges(written=True, added=("a.sql",)), "bad": None}
    (bad,) = orchestrator(*plugins).check_steps("bad", write=True)
    assert isinstance(bad.error, InvalidSqlFile)
    assert not (tmp_path / "bad" / "roost.sum").exists()


def test_a_manifest_that_cannot_be_written_is_told(folder: Path) -> None:
    """The error is that of its service."""
    (folder / "roost.sum").mkdir()
    (found,) = orchestrator(files_plugin(folder)).check_steps(write=True)
    assert isinstance(found.error, ManifestNotWritten)
    assert (found.changes, found.steps) == (None, None)
