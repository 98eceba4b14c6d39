"""Folders in which several write at once, or whose manifest can't be written."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest

from roost.errors import FilesNotWritten, ManifestNotWritten
from roost.migrations import read_proven, write_manifest
from roost.scaffold import _folder, add_to_folder, empty_step, next_prefixes, renumber_folder, write_files

NOW = datetime(2026, 5, 4, tzinfo=UTC)
SEVERAL = 4


def folder_of(path: Path, *names: str) -> Path:
    """Make a folder of SQL files with a manifest."""
    path.mkdir()
    for name in names:
        (path / name).write_text(f"SELECT '{name}';\n")
    write_manifest(path)
    return path


def names(folder: Path) -> list[str]:
    """Return the names of all files, hidden ones too."""
    return sorted(path.name for path in folder.iterdir())


def test_one_writes_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several that add a step at once give each its own number, and the manifest names them all."""
    folder = folder_of(tmp_path / "sql", "0001_a.sql")
    meeting = Barrier(2)
    choose = next_prefixes

    def choose_together(*names: Any, **options: Any) -> tuple[str, ...]:
        chosen = choose(*names, **options)
        with suppress(BrokenBarrierError):  # whoever is alone waits for nobody
            meeting.wait(timeout=0.5)
        return chosen

    monkeypatch.setattr(_folder, "next_prefixes", choose_together)

    def add(number: int) -> None:
        add_to_folder(folder, empty_step(f"s{number}"), now=NOW)

    with ThreadPoolExecutor(SEVERAL) as threads:
        list(threads.map(add, range(SEVERAL)))
    assert [name[:4] for name in names(folder)] == ["0001", "0002", "0003", "0004", "0005", "roos"]
    assert len(read_proven(folder).files) == SEVERAL + 1


@pytest.mark.parametrize(
    "act",
    [
        lambda folder: add_to_folder(folder, empty_step("c"), now=NOW),
        lambda folder: renumber_folder(folder, applied=(), keep=(), now=NOW),
    ],
    ids=["add", "renumber"],
)
def test_without_its_manifest_nothing_stays(act: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the manifest can't be written, the folder is as it was before."""
    folder = folder_of(tmp_path / "sql", "0001_a.sql", "0001_b.sql")
    before = names(folder)

    def refuse(directory: Path) -> None:
        raise ManifestNotWritten(path=str(directory), reason="No space left on device")

    monkeypatch.setattr(_folder, "write_manifest", refuse)
    with pytest.raises(ManifestNotWritten):
        act(folder)
    assert names(folder) == before
    assert len(read_proven(folder).files) == 2


def test_what_can_not_be_looked_for_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system refuses even to look, it is told as what can't be written."""
    name = "x" * 300
    with pytest.raises(FilesNotWritten, match="too long"):
        write_files(tmp_path, {name: ""})
    with pytest.raises(FilesNotWritten, match="too long"):
        add_to_folder(tmp_path / name, empty_step("a"), now=NOW)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, os.strerror(13), "sql")

    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(FilesNotWritten, match="sql can't be written: Permission denied"):
        add_to_folder(tmp_path / "sql", empty_step("a"), now=NOW)
