from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from roost.errors import FilesInTheWay, FilesNotWritten, InvalidSqlFile, ManifestMismatch, NumberUnclear, ScaffoldExtraMissing
from roost.migrations import load_sql_steps, write_manifest
from roost.scaffold import (
    Move,
    _rendering,
    add_to_folder,
    create_index,
    create_table,
    empty_step,
    plugin_files,
    rename_files,
    renumber_folder,
    write_files,
)
from roost.scaffold._rendering import python_literal, render

NOW = datetime(2026, 5, 4, tzinfo=UTC)


def names(folder: Path) -> list[str]:
    """Return all that is below a folder, hidden files too."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_files_are_written_with_their_folders(tmp_path: Path) -> None:
    """Each file has its text, and nothing else is left."""
    paths = write_files(tmp_path, {"a/b/c.txt": "ä\n", "d.txt": ""})
    assert paths == (tmp_path / "a/b/c.txt", tmp_path / "d.txt")
    assert (tmp_path / "a/b/c.txt").read_bytes() == "ä\n".encode()
    assert names(tmp_path) == ["a", "a/b", "a/b/c.txt", "d.txt"]


def test_nothing_is_written_over(tmp_path: Path) -> None:
    """Where one file is there already, also as a link that leads nowhere, none is written."""
    (tmp_path / "b").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FilesInTheWay, match="There already"):
        write_files(tmp_path, {"a": "", "b": ""})
    assert names(tmp_path) == ["b"]


def test_a_file_that_comes_meanwhile_is_not_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who looks first and writes then would lose it; here it stays, and the others are taken away again."""
    link = os.link

    def late(source: Path, target: Path) -> None:
        if Path(target).name == "b":
            Path(target).write_text("somebody else's")
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    with pytest.raises(FilesInTheWay, match="b"):
        write_files(tmp_path, {"new/a": "", "b": "mine"})
    assert names(tmp_path) == ["b"]
    assert (tmp_path / "b").read_text() == "somebody else's"


def test_a_file_system_without_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There the finished file is renamed."""

    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(1, "no links", str(source))

    monkeypatch.setattr(os, "link", refuse)
    write_files(tmp_path, {"a": "text"})
    assert names(tmp_path) == ["a"]


def test_what_can_not_be_written_leaves_nothing(tmp_path: Path) -> None:
    """A file where a folder should be is told, and no folder or file stays."""
    (tmp_path / "file").write_text("")
    with pytest.raises((FilesNotWritten, FilesInTheWay)):
        write_files(tmp_path, {"new/a": "", "file/b": ""})
    assert names(tmp_path) == ["file"]


def test_renaming_is_all_or_nothing(tmp_path: Path) -> None:
    """A name that is taken, or a file that is not there, leaves every file under its old name."""
    for name in ("a", "c"):
        (tmp_path / name).write_text(name)
    with pytest.raises(FilesInTheWay):
        rename_files(tmp_path, [Move(old="a", new="b"), Move(old="a", new="c")])
    with pytest.raises(FilesNotWritten):
        rename_files(tmp_path, [Move(old="a", new="b"), Move(old="nowhere", new="d")])
    assert names(tmp_path) == ["a", "c"]


def test_a_manifest_is_kept_where_there_is_one(tmp_path: Path) -> None:
    """A folder without one gets none; one that is right is written anew with the new file; one that is wrong is not made right."""
    written = add_to_folder(tmp_path / "new", empty_step("a"), now=NOW)
    assert written.manifest is None
    write_manifest(tmp_path / "new")
    written = add_to_folder(tmp_path / "new", empty_step("b"), now=NOW)
    assert written.manifest == tmp_path / "new/roost.sum"
    (tmp_path / "new/0001_a.sql").write_text("SELECT 1")
    with pytest.raises(ManifestMismatch, match=r"0001_a\.sql is changed"):
        add_to_folder(tmp_path / "new", empty_step("c"), now=NOW)
    with pytest.raises(ManifestMismatch, match=r"0001_a\.sql is changed"):
        renumber_folder(tmp_path / "new", applied=(), keep=(), now=NOW)
    assert names(tmp_path / "new") == ["0001_a.sql", "0002_b.sql", "roost.sum"]


def test_pairs_go_on_as_pairs(tmp_path: Path) -> None:
    """Where the last step is a pair, so is the next, unless it has to say more than a pair can."""
    for name in ("0001_a.up.sql", "0001_a.down.sql"):
        (tmp_path / name).write_text("SELECT 1;")
    for drafts in (create_table("tag", []), create_index("tag", ["id"])):
        add_to_folder(tmp_path, drafts, now=NOW)
    assert names(tmp_path)[2:] == ["0002_create_tag.down.sql", "0002_create_tag.up.sql", "0003_index_tag_id.sql"]
    assert (tmp_path / "0002_create_tag.down.sql").read_text() == "DROP TABLE tag;\n"
    down, index = load_sql_steps(tmp_path)[1:]
    assert (down.down, index.transactional) == ("DROP TABLE tag;\n", False)


def test_pairs_that_go_by_number_need_no_zeros(tmp_path: Path) -> None:
    """The next one after 9 is 10, and runs last; so is the new number of one that was given twice."""
    for name in ("2_b.up.sql", "9_i.up.sql", "9_j.up.sql"):
        (tmp_path / name).write_text("SELECT 1;")
    add_to_folder(tmp_path, empty_step("k"), now=NOW)
    moves = renumber_folder(tmp_path, applied=(), keep=("9_j",), now=NOW).moves
    assert [(move.old, move.new) for move in moves] == [("9_i.up.sql", "11_i.up.sql")]
    assert [step.id for step in load_sql_steps(tmp_path)] == ["2_b", "9_j", "10_k", "11_i"]


@pytest.mark.parametrize(
    ("name", "text", "tool"), [("00001_a.sql", "-- +goose Up\nSELECT 1;", "goose"), ("V1__a.sql", "SELECT 1;", "Flyway")]
)
def test_folders_of_other_tools_get_no_files(tmp_path: Path, name: str, text: str, tool: str) -> None:
    """Whose the folder is, is said of a file that is there."""
    (tmp_path / name).write_text(text)
    with pytest.raises(NumberUnclear, match=f"beside {name}: the folder is {tool}'s"):
        add_to_folder(tmp_path, empty_step("b"), now=NOW)
    assert names(tmp_path) == [name]


def test_what_would_not_load_is_not_written(tmp_path: Path) -> None:
    """A folder with a file that no run would take gets no other."""
    (tmp_path / "0001_a.sql").write_text("-- migrate:down\nSELECT 1;")
    with pytest.raises(InvalidSqlFile, match="its markers are down"):
        add_to_folder(tmp_path, empty_step("b"), now=NOW)
    assert names(tmp_path) == ["0001_a.sql"]


def test_ids_between_the_files_are_counted(tmp_path: Path) -> None:
    """A step in Python that has the number 3 lets the next file have 4."""
    (path,) = add_to_folder(tmp_path, empty_step("a"), now=NOW, taken=["0003_b"]).paths
    assert path.name == "0004_a.sql"


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Jinja2 is not installed, the error says what to install."""
    monkeypatch.setitem(sys.modules, "jinja2", None)
    _rendering._environment.cache_clear()
    try:
        with pytest.raises(ScaffoldExtraMissing, match=r"roost\[cli\]"):
            render("step.sql")
    finally:
        _rendering._environment.cache_clear()


@pytest.mark.parametrize("text", ["", "a", "it's", 'say "a"', "a\nb", "a\n\\d\nb", 'a\n"""\nb', "ä\nb", "'\"\\"])
def test_texts_in_python_mean_the_same(text: str) -> None:
    """What is written into a module says the text again, but for the indentation of several lines."""
    said = eval(python_literal(text))  # noqa: S307 -- its own output
    assert "\n".join(line.strip() for line in said.strip().split("\n")) == text or said == text


def test_a_plugin_in_a_package() -> None:
    """The package's folders and imports hold the dotted name; conftest.py is left out where there is one."""
    made = plugin_files("@org/plugin-tag-cloud", package="shop.plugins", conftest=False)
    assert made.module == "shop.plugins.tag_cloud"
    assert sorted(made.files) == [
        "shop/plugins/tag_cloud/__init__.py",
        "shop/plugins/tag_cloud/migrations/0001_create_entry.sql",
        "shop/plugins/tag_cloud/service.py",
        "tests/test_tag_cloud.py",
    ]
    assert "from shop.plugins.tag_cloud.service import TagCloud" in made.files["shop/plugins/tag_cloud/__init__.py"]
    assert 'Plugin("@org/plugin-tag-cloud"' in made.files["shop/plugins/tag_cloud/__init__.py"]
