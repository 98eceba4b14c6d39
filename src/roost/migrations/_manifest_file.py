"""A manifest beside its SQL files: found, held against them, and written."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from roost.errors import InvalidManifest, ManifestNotWritten
from roost.migrations._manifest import (
    MANIFEST_NAME,
    file_hash,
    hashes_in,
    legible_hashes,
    manifest_hash,
    refuse_mismatch,
    render,
    says,
)
from roost.migrations._records import ManifestChanges
from roost.migrations._repeatable_files import repeatable_of
from roost.migrations._sql_files import steps_of
from roost.migrations._sql_folder import SqlFolder, read_folder


def folder_hash(directory: str | Path) -> str | None:
    """Return what stands for all files of a folder, from its manifest alone: no other file is opened, and none is looked for.

    Returns:
        A hash; None where the folder has no manifest.

    Raises:
        InvalidManifest: It can't be read or used.
    """
    path = Path(directory) / MANIFEST_NAME
    data = _read(path)
    return None if data is None else manifest_hash(data, path=str(path))


def read_proven(directory: str | Path) -> SqlFolder:
    """Read the files of a folder, each of which must be as the manifest says, where there is one.

    Raises:
        InvalidManifest: The manifest can't be read or used.
        ManifestMismatch: Files and manifest differ.
        InvalidSqlFile: The folder, or a file of it, can't be read.
    """
    path = Path(directory) / MANIFEST_NAME
    data = _read(path)
    folder = read_folder(directory)
    if data is not None:
        refuse_mismatch(hashes_in(data, path=str(path)), files=_hashes(folder), path=str(path))
    return folder


def write_manifest(directory: str | Path) -> ManifestChanges:
    """Write the manifest of a folder, whole or not at all; one that is right already is left untouched.

    Returns:
        What is different from before.

    Raises:
        InvalidSqlFile: The files can't be used as migrations; nothing is written then.
        ManifestNotWritten: The folder can't be written to.
    """
    path = Path(directory) / MANIFEST_NAME
    folder = read_folder(directory)
    steps_of(folder)
    repeatable_of(folder.repeatable)
    hashes = _hashes(folder)
    data = b""
    with suppress(OSError):  # what is there and can't be read is replaced, or can't be: that is seen below
        data = path.read_bytes()
    if says(data, hashes):
        return ManifestChanges(written=False)
    try:
        _replace(Path(os.path.realpath(path)), render(hashes))
    except OSError as error:
        raise ManifestNotWritten(path=str(path), reason=error.strerror or str(error)) from error
    before = legible_hashes(data)
    return ManifestChanges(
        written=True,
        added=tuple(sorted(hashes.keys() - before.keys())),
        changed=tuple(sorted(name for name in hashes.keys() & before.keys() if hashes[name] != before[name])),
        removed=tuple(sorted(before.keys() - hashes.keys())),
    )


def _hashes(folder: SqlFolder) -> Mapping[str, str]:
    files = {**folder.files, **folder.repeatable, **folder.settings}
    return {path.relative_to(folder.path).as_posix(): file_hash(data) for path, data in files.items()}


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        if path.is_symlink():
            raise InvalidManifest(path=str(path), reason="it is a link that leads nowhere") from error
        return None
    except OSError as error:
        raise InvalidManifest(path=str(path), reason=f"it can't be read: {error.strerror}") from error


def _replace(path: Path, data: bytes) -> None:
    # A reader finds the old file or the new one, and so does whoever starts again after a power failure.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, draft)
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise
