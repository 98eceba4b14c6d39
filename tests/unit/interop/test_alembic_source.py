from __future__ import annotations

from pathlib import Path

import pytest

from roost.interop._alembic_source import source_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A script directory with one revision."""
    (tmp_path / "scripts" / "versions").mkdir(parents=True)
    (tmp_path / "scripts" / "versions" / "a_first.py").write_text("revision = 'a'")
    return tmp_path / "scripts"


def ini(folder: Path, text: str) -> Path:
    path = folder.parent / "alembic.ini"
    path.write_text(text)
    return path


def test_it_changes_with_what_is_read(folder: Path) -> None:
    """Another file, another text, another name, another ini: each is another hash, and nothing else is."""
    path = ini(folder, "[alembic]\nscript_location = %(here)s/scripts\n")
    seen = {source_of(folder), source_of(path)}
    assert source_of(path) in seen
    first = folder / "versions" / "a_first.py"
    first.write_text("revision = 'b'")
    seen.add(source_of(folder))
    first.rename(first.with_name("b_first.py"))
    seen.add(source_of(folder))
    (folder / "versions" / "c.py").touch()
    seen.add(source_of(folder))
    (folder / "README").touch()
    assert source_of(folder) in seen
    seen.add(source_of(ini(folder, "[alembic]\nscript_location = scripts\n")))
    assert len(seen) == 6
    assert None not in seen


@pytest.mark.parametrize(
    "text",
    [
        "[alembic]\nscript_location = scripts\nversion_locations = elsewhere\n",
        "[alembic]\nscript_location = scripts\nsourceless = true\n",
        "[alembic]\nscript_location = package:scripts\n",
        "[alembic]\nscript_location = nowhere\n",
        "[alembic]\nscript_location = %(nothing)s\n",
        "[other]\nscript_location = scripts\n",
        "script_location = scripts\n",
    ],
)
def test_what_only_alembic_knows(folder: Path, text: str) -> None:
    """Where the files may be others, or can't be found, nothing stands for them."""
    assert source_of(ini(folder, text)) is None


def test_what_is_not_there(tmp_path: Path) -> None:
    """Nothing stands for it, and who loads it says what is wrong."""
    assert source_of(tmp_path / "nowhere") is None
    assert source_of(tmp_path) is None
