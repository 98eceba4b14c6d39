from __future__ import annotations

from pathlib import Path

import pytest

from roost.cli._lint_choice import Targets, chosen_targets, chosen_version, steps_of_files
from roost.cli._project import Project
from roost.errors import BadProject, BadUsage, InvalidSqlFile


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory to be in, with two files and a folder of two."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "more").mkdir()
    (tmp_path / "empty").mkdir()
    for name in ("b.sql", "more/2.up.sql", "more/1.sql", "more/README.md"):
        (tmp_path / name).write_text("SELECT 1")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "targets"),
    [
        ((), Targets(None, ())),
        (("shop:runtime",), Targets("shop:runtime", ())),
        (("b.sql",), Targets(None, (Path("b.sql"),))),
        (("more", "b.sql"), Targets(None, (Path("more/1.sql"), Path("more/2.up.sql"), Path("b.sql")))),
    ],
)
def test_files_are_told_from_a_runtime(folder: Path, words: tuple[str, ...], targets: Targets) -> None:
    """A name that ends in .sql is a file, a folder stands for its files, all else is a runtime."""
    assert chosen_targets(words) == targets


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("c.sql",), "There is no file 'c.sql'"),
        (("more", "c.sql"), "There is no file 'c.sql'"),
        (("a:b", "c:d"), "Can't lint a:b and c:d at once"),
        (("a:b", "b.sql"), "Can't lint a:b and b.sql at once"),
        (("empty",), "There is no .sql file in empty"),
    ],
)
def test_words_that_fit_nothing_are_refused(folder: Path, words: tuple[str, ...], reason: str) -> None:
    """A file that is not there, several runtimes, and both kinds at once, each with what to write."""
    with pytest.raises(BadUsage, match=reason) as caught:
        chosen_targets(words)
    assert "module:attribute" in caught.value.hint


def test_the_version_is_the_options_then_the_projects_then_the_oldest() -> None:
    """Where nothing is said, it is the oldest server that roost supports."""
    assert chosen_version("18", Project(postgres_version="16.4"), oldest="14") == "18"
    assert chosen_version(None, Project(postgres_version="16.4"), oldest="14") == "16.4"
    assert chosen_version(None, Project(), oldest="14") == "14"


@pytest.mark.parametrize("version", ["13", "9.6", "sixteen", "16.", "16beta1", "-16", "1600", ""])
def test_a_version_that_is_none_is_refused(version: str) -> None:
    """Of the command line it is a usage error, of the project an error there; so is one that roost does not support."""
    with pytest.raises(BadUsage, match="is no version of PostgreSQL from 14 on"):
        chosen_version(version, Project(), oldest="14")
    with pytest.raises(BadProject, match="postgres_version"):
        chosen_version(None, Project(postgres_version=version or "x"), oldest="14")


def test_files_are_steps_and_ways_back_are_left_alone(folder: Path) -> None:
    """What can't be read is told apart, and the others are read."""
    (folder / "more" / "2.down.sql").write_text("DROP TABLE a")
    (folder / "bad.sql").write_bytes(b"\xff")
    (folder / "R__view.sql").write_text("CREATE OR REPLACE VIEW v AS SELECT 1")
    (folder / "U1__a.sql").write_text("DROP TABLE a")
    found = steps_of_files([*sorted((folder / "more").glob("*.sql")), folder / "R__view.sql", folder / "U1__a.sql", folder / "bad.sql"])
    assert [[step.id for step in one.steps] for one in found] == [["1", "2"], []]
    assert [step.id for step in found[0].repeatable] == ["R__view"]
    assert isinstance(found[1].error, InvalidSqlFile)
