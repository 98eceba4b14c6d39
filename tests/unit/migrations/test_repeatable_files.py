from __future__ import annotations

from pathlib import Path

import pytest

from roost import Plugin, RepeatableStep, Runtime, SqlMigrationService
from roost.errors import InvalidSqlFile, ManifestMismatch, RepeatableCycle
from roost.migrations import SqlText, load_sql_steps
from roost.migrations._manifest_file import write_manifest
from roost.migrations._repeatable_files import read_repeatable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one migration and an empty folder for repeatable files."""
    (tmp_path / "001.sql").write_text("CREATE TABLE notes (id int)")
    (tmp_path / "repeatable").mkdir()
    return tmp_path


def write(folder: Path, name: str, text: str | bytes) -> Path:
    """Write a repeatable file."""
    path = folder / "repeatable" / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def service_of(folder: Path, *repeatable: RepeatableStep) -> SqlMigrationService:
    """Return the service of a folder, which has these repeatable steps of its own."""
    cls = type("Files", (SqlMigrationService,), {"service_name": "files", "directory": folder, "repeatable": repeatable})
    (service,) = Runtime(plugins=[Plugin("files", version="1.0.0", services=[cls])]).get_services_by_type("migration")
    assert isinstance(service, SqlMigrationService)
    return service


def test_files_are_steps_in_the_order_of_their_names(folder: Path) -> None:
    """The id is the file's name without its ending; other files are left alone, and versioned steps are none of them."""
    write(folder, "b_view.sql", "CREATE VIEW b AS SELECT 1")
    path = write(folder, "a.sql", b"\xef\xbb\xbfSELECT 1")
    write(folder, "README.md", "no")
    steps = read_repeatable(folder)
    assert [(one.id, one.description, one.up, one.after) for one in steps] == [
        ("a", "a", "SELECT 1", ()),
        ("b_view", "b view", "CREATE VIEW b AS SELECT 1", ()),
    ]
    assert isinstance(steps[0].up, SqlText)
    assert (steps[0].up.path, steps[0].up.first_line) == (path, 1)
    assert [one.id for one in load_sql_steps(folder)] == ["001"]


def test_without_the_folder_there_are_none(tmp_path: Path) -> None:
    """It need not be there."""
    assert read_repeatable(tmp_path) == []


@pytest.mark.parametrize(
    ("top", "after"),
    [
        ("-- roost: after = a\n", ("a",)),
        ("-- roost: after=a,b , c-d\r\n", ("a", "b", "c-d")),
        ("-- A view of notes.\n\n  -- more\n--roost:after = a\n-- roost: after = b\n", ("a", "b")),
        ("/* A licence. */\r\n\r\n-- roost: after = a\r\n", ("a",)),
        ("-- roosts: after = a\n", ()),
        ("-- after = a\n", ()),
        ("-- roost: ignore truncate: for roost lint\n-- roost: after = a\n-- roost: ignore-file x: y\n", ("a",)),
        ("-- roost: after = a\nSELECT 0;\n-- roost: ignore truncate: of the next statement\n", ("a",)),
    ],
)
def test_words_for_roost(folder: Path, top: str, after: tuple[str, ...]) -> None:
    """Among the comments at the top, a line names what must run before; other comments mean nothing."""
    write(folder, "x.sql", f"{top}SELECT 1")
    (step,) = read_repeatable(folder)
    assert step.after == after
    assert step.up == f"{top}SELECT 1"


@pytest.mark.parametrize(
    ("name", "text", "reason", "line"),
    [
        ("a.up.sql", "SELECT 1", "is no pair", None),
        ("a.down.sql", "SELECT 1", "is no pair", None),
        ("a.sql", "SELECT 0;\n-- migrate:down\nSELECT 1", "no markers", 2),
        ("a.sql", "SELECT 0;\n-- roost: after = b", "stand at the top", 2),
        ("a.sql", "\n-- roost: before = b", "not of the form", 2),
        ("a.sql", "-- roost: after = a b", "not of the form", 1),
        ("a.sql", "-- roost: ignored = a", "not of the form", 1),
        ("a.sql", "-- roost: after =", "not of the form", 1),
        ("a.sql", "-- roost: after = a,", "not of the form", 1),
        ("a.sql", b"\xff", "not UTF-8", 1),
        ("a.sql", "\n\\i b", "psql", 2),
        (".sql", "SELECT 1", "non-empty", None),
    ],
)
def test_files_that_cannot_be_used(folder: Path, name: str, text: str | bytes, reason: str, line: int | None) -> None:
    """Each is refused with its path, and with the line where there is one; no manifest is written for it."""
    path = write(folder, name, text)
    with pytest.raises(InvalidSqlFile, match=reason) as caught:
        read_repeatable(folder)
    assert (caught.value.path, caught.value.line) == (str(path), line)
    with pytest.raises(InvalidSqlFile, match=reason):
        write_manifest(folder)
    assert not (folder / "roost.sum").exists()


def test_a_folder_that_is_lost(tmp_path: Path) -> None:
    """A link that leads nowhere is no folder that is not there."""
    (tmp_path / "001.sql").write_text("SELECT 1")
    (tmp_path / "repeatable").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InvalidSqlFile, match="leads nowhere"):
        read_repeatable(tmp_path)


def test_a_folder_of_repeatable_files_alone(tmp_path: Path) -> None:
    """A plugin may bring nothing but views."""
    (tmp_path / "repeatable").mkdir()
    with pytest.raises(InvalidSqlFile, match=r"no \.sql file"):
        load_sql_steps(tmp_path)
    write(tmp_path, "a.sql", "SELECT 1")
    service = service_of(tmp_path)
    assert (service.target_version(), service.has_plugin_migrations("files")) == ("1.0.0", True)
    without = service.declaration("strict")
    service.write_manifest()
    assert service.declaration("strict") != without
    assert service.target_version() == "1.0.0"


def test_the_manifest_stands_for_them_too(folder: Path) -> None:
    """They are listed by their path, a change is found, and what is declared comes from the manifest and the service's own steps."""
    write(folder, "a.sql", "SELECT 1")
    own = RepeatableStep("own", "Own", up="SELECT 2")
    changes = service_of(folder).write_manifest()
    assert changes.added == ("001.sql", "repeatable/a.sql")
    declared = service_of(folder).declaration("strict")
    assert service_of(folder, own).declaration("strict") != declared
    assert [one.id for one in service_of(folder, own).load_repeatable()] == ["own", "a"]
    write(folder, "a.sql", "SELECT 3")
    assert service_of(folder).declaration("strict") == declared
    with pytest.raises(ManifestMismatch) as caught:
        service_of(folder).prove_files()
    assert caught.value.changed == ("repeatable/a.sql",)
    write(folder, "b.sql", "SELECT 3")
    with pytest.raises(ManifestMismatch) as caught:
        service_of(folder).load_steps()
    assert caught.value.unlisted == ("repeatable/b.sql",)


def test_files_without_an_order_are_refused_with_the_manifest(folder: Path) -> None:
    """Where the manifest stands for the files, they are refused when these are proven, which is before any plugin's first step."""
    write(folder, "a.sql", "-- roost: after = a\nSELECT 1")
    write_manifest(folder)
    with pytest.raises(RepeatableCycle):
        service_of(folder).prove_files()
