from __future__ import annotations

from pathlib import Path

import pytest

from roost.cli._project import Project, read_project
from roost.errors import BadProject


def test_no_file_sets_nothing(tmp_path: Path) -> None:
    """A directory without pyproject.toml sets nothing."""
    assert read_project(tmp_path) == Project()


@pytest.mark.parametrize("text", ["", "[tool.other]\nruntime = 'a:b'\n", "[tool]\nroost = {}\n"])
def test_no_table_sets_nothing(tmp_path: Path, text: str) -> None:
    """A pyproject.toml that says nothing about roost sets nothing."""
    (tmp_path / "pyproject.toml").write_text(text)
    assert read_project(tmp_path) == Project()


def test_all_keys_are_read(tmp_path: Path) -> None:
    """Each key of [tool.roost] is read as it stands."""
    (tmp_path / "pyproject.toml").write_text(
        '[tool.roost]\nruntime = "a:r"\napp = "a:b"\ndatabase_url = "postgresql://h/d"\ndemo_request = "GET /x"\npostgres_version = "16"\n'
    )
    assert read_project(tmp_path) == Project(
        runtime="a:r", app="a:b", database_url="postgresql://h/d", demo_request="GET /x", postgres_version="16"
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"[tool.roost", "Expected ']'"),
        (b"\xff\xfe", "codec can't decode"),
        (b"tool = 1\n[tool.roost]\n", "Cannot"),
        (b"[tool]\nroost = 1\n", "tool.roost is no table"),
        (b"[tool.roost]\nruntim = 'a:b'\n", "unknown key 'runtim'"),
        (b"[tool.roost]\nruntime = 3\n", "runtime in [tool.roost] is no text: 3"),
        (b"[tool.roost]\nruntime = ' '\n", "runtime in [tool.roost] is no text: ' '"),
    ],
)
def test_bad_file_is_named(tmp_path: Path, text: bytes, reason: str) -> None:
    """What can't be used is refused with the file's name and the reason."""
    (tmp_path / "pyproject.toml").write_bytes(text)
    with pytest.raises(BadProject) as caught:
        read_project(tmp_path)
    assert caught.value.message.startswith("Invalid pyproject.toml: ")
    assert reason in caught.value.message


def test_unreadable_file_is_an_error(tmp_path: Path) -> None:
    """A pyproject.toml that can't be opened is an error, not silence."""
    (tmp_path / "pyproject.toml").mkdir()
    with pytest.raises(BadProject, match="directory"):
        read_project(tmp_path)


def test_misspelt_key_is_recognised(tmp_path: Path) -> None:
    """A key that looks like one that is known is answered with that one."""
    (tmp_path / "pyproject.toml").write_text('[tool.roost]\nruntimes = "a:b"\n')
    with pytest.raises(BadProject) as caught:
        read_project(tmp_path)
    assert caught.value.hint == "did you mean runtime?"
