"""A folder of SQL files that gets new ones, or new numbers, and the manifest that goes with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from roost.errors import InvalidManifest, NumberUnclear
from roost.migrations import MANIFEST_NAME, SqlFolder, read_folder, read_proven, steps_of, write_manifest
from roost.scaffold._drafts import sql_files
from roost.scaffold._numbering import next_prefixes
from roost.scaffold._renumbering import Move, plan_renumbering
from roost.scaffold._turns import turn_in
from roost.scaffold._writing import rename_files, take_away, write_files

if TYPE_CHECKING:
    from roost.scaffold._drafts import Draft


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was done to a folder.

    Attributes:
        paths: The files that are new, or have new names.
        moves: The old names and the new ones, where files were renamed.
        manifest: The manifest that was written with them; None where the folder has none.
    """

    paths: tuple[Path, ...]
    moves: tuple[Move, ...] = ()
    manifest: Path | None = None


def add_to_folder(directory: Path, drafts: Sequence[Draft], *, now: datetime, taken: Collection[str] = ()) -> Written:
    """Write steps behind those of a folder, which is made where it is missing: as pairs, where the last one is a pair.

    Args:
        directory: The folder.
        drafts: The steps.
        now: The time, in UTC, for folders that use timestamps.
        taken: The ids of steps that go between the files and are none.

    Raises:
        NumberUnclear: There is no next number, or the folder is goose's or Flyway's.
        FilesInTheWay: A file is there already.
        FilesNotWritten: A file can't be written.
        ManifestNotWritten: The manifest can't; the files are taken away again.
        ManifestMismatch: The files that are there are not those of the manifest; nothing was written.
        InvalidManifest: The manifest can't be used; nothing was written.
        InvalidSqlFile: A file that is there can't be used, or not beside the new ones; nothing was written.
    """
    with turn_in(directory):
        folder = read_proven(directory) if directory.is_dir() else SqlFolder(directory, {}, {})
        if folder.layout != "own":
            tool = "Flyway" if folder.layout == "flyway" else folder.layout
            reason = f"the folder is {tool}'s, and roost writes no files of that kind"
            raise NumberUnclear(directory=str(directory), file=_first_name(folder), reason=reason)
        names = [*taken, *(path.name for path in folder.files)]
        by_number = folder.has_only_numbered_pairs and not taken
        prefixes = next_prefixes(names, len(drafts), now=now, directory=str(directory), by_number=by_number)
        as_pairs = bool(names) and max(names).endswith((".up.sql", ".down.sql"))
        files = sql_files(drafts, prefixes=prefixes, as_pairs=as_pairs)
        _refuse_unfit(folder, files)
        paths = write_files(directory, files)
        try:
            return Written(paths=paths, manifest=_renewed_manifest(directory))
        except BaseException:
            take_away(paths)
            raise


def renumber_folder(directory: Path, *, applied: Collection[str] | None, keep: Sequence[str], now: datetime) -> Written:
    """Give the next numbers to steps that have those of others, as `plan_renumbering` decides, and write the manifest anew.

    Raises:
        RenumberRefused: Nobody says which step keeps its number, or it is another one than the applied one.
        NumberUnclear: There is no next number.
        FilesInTheWay: A new name is taken.
        FilesNotWritten: A file can't be renamed.
        ManifestNotWritten: The manifest can't be written; the files have their old names again.
        ManifestMismatch: The files are not those of the manifest, and no merge is the reason; nothing was renamed.
        InvalidSqlFile: The folder or a file can't be read.
    """
    with turn_in(directory):
        try:
            folder = read_proven(directory)
        except InvalidManifest:  # what a merge leaves is written anew
            folder = read_folder(directory)
        names = [path.name for path in folder.files]
        by_number = folder.has_only_numbered_pairs or folder.layout == "goose"
        moves = plan_renumbering(names, applied=applied, keep=keep, now=now, directory=str(directory), by_number=by_number)
        rename_files(directory, moves)
        try:
            manifest = _renewed_manifest(directory)
        except BaseException:
            rename_files(directory, [Move(old=move.new, new=move.old) for move in moves])
            raise
    return Written(paths=tuple(directory / move.new for move in moves), moves=moves, manifest=manifest)


def _first_name(folder: SqlFolder) -> str:
    return next(path.name for path in (*folder.files, *folder.repeatable))


def _refuse_unfit(folder: SqlFolder, files: Mapping[str, str]) -> None:
    """Load the folder as it will be: what could not run is not written."""
    added = {folder.path / name: text.encode() for name, text in files.items()}
    steps_of(replace(folder, files=dict(sorted({**folder.files, **added}.items()))))


def _renewed_manifest(directory: Path) -> Path | None:
    path = directory / MANIFEST_NAME
    if not path.exists():
        return None
    write_manifest(directory)
    return path
