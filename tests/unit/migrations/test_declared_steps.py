from __future__ import annotations

from pathlib import Path

import pytest

from roost import MigrationOrchestrator, MigrationStep, Plugin, PluginMigrationService, RepeatableStep, Runtime
from roost.errors import InvalidSqlFile, InvalidStep
from roost.migrations import SqlText, read_sql_step


class Notes(PluginMigrationService):
    service_name = "notes-migration"
    steps = (MigrationStep("make", "Make", up="CREATE TABLE notes (id bigint)", version="1.0.0"),)
    repeatable = (RepeatableStep("view", "View", up="CREATE OR REPLACE VIEW v AS SELECT 1"),)


class Tags(PluginMigrationService):
    service_name = "tags-migration"

    def get_target_version(self) -> str:
        return "2.0.0"

    def get_migration_steps(self, from_version: str, to_version: str) -> list[MigrationStep]:
        assert (from_version, to_version) == ("0.0.0", "2.0.0")
        return [MigrationStep("computed", "Computed", up="SELECT 1")]


class Bad(PluginMigrationService):
    service_name = "bad-migration"
    steps = (MigrationStep("nameless", "Build", up="CREATE INDEX CONCURRENTLY ON notes (id)", transactional=False, version="1.0.0"),)


def orchestrator() -> MigrationOrchestrator:
    """Return that of a runtime without a database."""
    return MigrationOrchestrator(
        Runtime(plugins=[Plugin("notes", services=[Notes]), Plugin("tags", services=[Tags]), Plugin("bad", services=[Bad])])
    )


def test_steps_are_told_as_an_empty_database_would_get_them() -> None:
    """Listed and computed ones, what is repeatable apart, in the order of the services; each service with the file of its class."""
    bad, notes, tags = orchestrator().declared_steps()
    assert ([step.id for step in notes.steps], [step.id for step in notes.repeatable]) == (["make"], ["view"])
    assert [step.id for step in tags.steps] == ["computed"]
    assert [one.plugin for one in (bad, notes, tags)] == ["bad", "notes", "tags"]
    assert notes.source == Path(__file__)


def test_steps_that_cannot_be_used_are_told_with_the_error() -> None:
    """Nothing is raised: the others can be read all the same."""
    (bad,) = orchestrator().declared_steps("bad")
    assert bad.steps == ()
    assert isinstance(bad.error, InvalidStep)


def test_a_class_without_a_file_has_none() -> None:
    """A class that no file holds is told without one."""
    cls = type("Made", (Notes,), {"__module__": "nowhere"})
    (made,) = MigrationOrchestrator(Runtime(plugins=[Plugin("notes", services=[cls])])).declared_steps()
    assert made.source is None


def test_a_file_is_read_as_in_a_folder(tmp_path: Path) -> None:
    """Its markers count, and its text knows where it begins; a file beside it that undoes it is not read."""
    path = tmp_path / "003_index.sql"
    path.write_text("-- An index.\n-- migrate:up transaction:false\nVACUUM notes;\n-- migrate:down\nSELECT 1;\n")
    step = read_sql_step(path)
    assert isinstance(step, MigrationStep)
    assert (step.id, step.up, step.down, step.transactional) == ("003_index", "VACUUM notes;\n", "SELECT 1;\n", False)
    assert isinstance(step.up, SqlText)
    assert (step.up.path, step.up.first_line) == (path, 3)
    (tmp_path / "004.up.sql").write_text("SELECT 1")
    (tmp_path / "004.down.sql").write_text("SELECT 2")
    pair = read_sql_step(tmp_path / "004.up.sql")
    assert isinstance(pair, MigrationStep)
    assert pair.down is None


def test_a_file_that_is_no_step_is_refused(tmp_path: Path) -> None:
    """A wrong marker, and a file that is not there."""
    (tmp_path / "004.sql").write_text("-- migrate:down\nSELECT 2")
    with pytest.raises(InvalidSqlFile, match="its markers are down"):
        read_sql_step(tmp_path / "004.sql")
    with pytest.raises(InvalidSqlFile, match="can't be read"):
        read_sql_step(tmp_path / "005.sql")


def test_files_of_flyways_are_read_by_themselves(tmp_path: Path) -> None:
    """A repeatable one is a repeatable step, the settings of a file count, and a way back, also of other tools, is no step."""
    (tmp_path / "R__a_view.sql").write_text("CREATE OR REPLACE VIEW v AS SELECT 1")
    (tmp_path / "V1__a.sql").write_text("SELECT '${kept}'")
    (tmp_path / "V1__a.sql.conf").write_text("placeholderReplacement=false\nexecuteInTransaction=false\n")
    view, first = read_sql_step(tmp_path / "R__a_view.sql"), read_sql_step(tmp_path / "V1__a.sql")
    assert isinstance(view, RepeatableStep)
    assert isinstance(first, MigrationStep)
    assert (view.id, first.id, first.transactional) == ("R__a_view", "V1__a", False)
    assert [read_sql_step(tmp_path / name) for name in ("U1__a.sql", "1_a.down.sql")] == [None, None]
