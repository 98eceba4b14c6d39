"""Puts new files into place: all of them or none, and none over another."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from roost.errors import FilesInTheWay, FilesNotWritten

if TYPE_CHECKING:
    from roost.scaffold._renumbering import Move


def write_files(base: Path, files: Mapping[str, str]) -> tuple[Path, ...]:
    """Write files that are not there yet, with the folders that they need.

    Args:
        base: The folder to which their names are relative.
        files: The text of each, by its name, with ``/`` between folders.

    Returns:
        Their paths.

    Raises:
        FilesInTheWay: One is there already; nothing was written.
        FilesNotWritten: One can't be written, or looked for; those that were written are taken away again.
    """
    paths = {base.joinpath(*name.split("/")): text for name, text in files.items()}
    _refuse_there(paths)
    drafts: dict[Path, Path] = {}
    placed: list[Path] = []
    made: list[Path] = []
    try:
        for path, text in paths.items():
            _make_folders(path.parent, made)
            drafts[path] = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
            with drafts[path].open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
        for path, draft in drafts.items():
            _place(draft, path)
            placed.append(path)
    except BaseException as error:
        take_away(placed)
        take_away(drafts.values())
        for folder in reversed(made):
            with suppress(OSError):
                folder.rmdir()
        if isinstance(error, FileExistsError):
            raise FilesInTheWay(paths=(str(error.filename2 or error.filename),)) from error
        if isinstance(error, OSError):
            raise FilesNotWritten(path=str(error.filename or base), reason=error.strerror or str(error)) from error
        raise
    take_away(drafts.values())
    return tuple(paths)


def rename_files(directory: Path, moves: Sequence[Move]) -> None:
    """Give files their new names, all of them or none.

    Raises:
        FilesInTheWay: A new name is taken; nothing was renamed.
        FilesNotWritten: One can't be renamed; those that were have their old names again.
    """
    _refuse_there(directory / move.new for move in moves)
    done: list[Move] = []
    try:
        for move in moves:
            (directory / move.old).rename(directory / move.new)
            done.append(move)
    except OSError as error:
        for move in reversed(done):
            (directory / move.new).rename(directory / move.old)
        raise FilesNotWritten(path=str(error.filename), reason=error.strerror or str(error)) from error


def _refuse_there(paths: Iterable[Path]) -> None:
    try:
        there = tuple(str(path) for path in paths if path.exists() or path.is_symlink())
    except OSError as error:
        raise FilesNotWritten(path=str(error.filename), reason=error.strerror or str(error)) from error
    if there:
        raise FilesInTheWay(paths=there)


def _place(draft: Path, path: Path) -> None:
    try:
        os.link(draft, path)  # unlike a rename, it goes over nothing that came meanwhile
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        draft.rename(path)


def _make_folders(folder: Path, made: list[Path]) -> None:
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for one in reversed(missing):
        one.mkdir()
        made.append(one)


def take_away(paths: Iterable[Path]) -> None:
    """Remove files, as far as that is possible."""
    for path in paths:
        with suppress(OSError):
            path.unlink()
