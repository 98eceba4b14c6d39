"""Reads SQL migrations from files in the layouts that people have: dbmate's, up/down pairs, plain ordered files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from roost.errors import InvalidSqlFile, InvalidStep
from roost.migrations._step import MigrationStep, SqlText
from roost.postgres import decode_sql, read_sql_files

REPEATABLE = "repeatable"
"""The name of the folder for repeatable files, beside the versioned ones."""

_MARKER = re.compile(r"^--[ \t]*migrate:(up|down)\b(.*)$", re.MULTILINE)
_IRREVERSIBLE = re.compile(r"^--[ \t]*migrate:irreversible\b(.*)$", re.MULTILINE)
_OPTION = re.compile(r"(\w+):(\S+)")


def load_sql_steps(directory: str | Path, *, version: str | None = None) -> list[MigrationStep]:
    """Read the migrations of a folder, in the order of their names.

    Three layouts are known, file by file:

    - one file with dbmate's markers, ``-- migrate:up`` and ``-- migrate:down``, each with an optional ``transaction:false``;
    - a pair ``NAME.up.sql`` and ``NAME.down.sql``;
    - a plain ``NAME.sql`` without a way back.

    A file without a way back may say why there is none: ``-- migrate:irreversible`` and the reason, in a line of its own.

    Args:
        directory: The folder; what is in it and doesn't end in ``.sql`` is left alone.
        version: The version of every step.

    Returns:
        The steps; a step's id is the file's name without its ending.

    Raises:
        InvalidSqlFile: The folder is missing or has no SQL file; a file is not UTF-8, holds a NUL byte or a command of psql; a
            marker is wrong; a way back has no way up; two files have one name.
    """
    return steps_of(read_folder(directory), version=version)


@dataclass(frozen=True, slots=True)
class SqlFolder:
    """A folder of SQL migrations as it was read.

    Attributes:
        path: The folder.
        files: The bytes of each file, in the order of their names.
        repeatable: The same for the files of the folder ``repeatable`` in it.
    """

    path: Path
    files: Mapping[Path, bytes]
    repeatable: Mapping[Path, bytes]


def read_folder(directory: str | Path) -> SqlFolder:
    """Read the bytes of every SQL file in a folder.

    Raises:
        InvalidSqlFile: The folder is missing, or a file can't be read.
    """
    folder = Path(directory)
    if not folder.is_dir():
        raise InvalidSqlFile(path=str(folder), reason="there is no such folder")
    return SqlFolder(
        folder, read_sql_files(folder), read_sql_files(repeatable) if has_repeatable(repeatable := folder / REPEATABLE) else {}
    )


def has_repeatable(folder: Path) -> bool:
    """Tell whether a folder for repeatable files is there.

    Raises:
        InvalidSqlFile: It is a link that leads nowhere.
    """
    if folder.is_dir():
        return True
    if folder.is_symlink():
        raise InvalidSqlFile(path=str(folder), reason="it is a link that leads nowhere")
    return False


def steps_of(folder: SqlFolder, *, version: str | None = None) -> list[MigrationStep]:
    """Return the steps that a folder's files are; arguments and errors as of `load_sql_steps`."""
    if not folder.files and not folder.repeatable:
        raise InvalidSqlFile(path=str(folder.path), reason="there is no .sql file in it")
    downs = {path.name.removesuffix(".down.sql"): path for path in folder.files if path.name.endswith(".down.sql")}
    steps: dict[str, MigrationStep] = {}
    for path in folder.files:
        if path.name.endswith(".down.sql"):
            continue
        step = _step(folder, path, downs.pop(path.name.removesuffix(".sql").removesuffix(".up"), None), version=version)
        if step.id in steps:
            raise InvalidSqlFile(path=str(path), reason=f"another file is the step {step.id!r} already")
        steps[step.id] = step
    for path in downs.values():
        raise InvalidSqlFile(path=str(path), reason="it undoes a step that is not there")
    return list(steps.values())


def _step(folder: SqlFolder, path: Path, down_path: Path | None, *, version: str | None) -> MigrationStep:
    name = path.name.removesuffix(".sql").removesuffix(".up")
    text = decode_sql(path, folder.files[path])
    markers = list(_MARKER.finditer(text))
    up: str = SqlText.read_from(text, path)
    down: str | None = None if down_path is None else SqlText.read_from(decode_sql(down_path, folder.files[down_path]), down_path)
    transactional = True
    if markers:
        if down_path is not None:
            raise InvalidSqlFile(path=str(down_path), reason=f"{path.name} has markers, so its way back belongs there")
        up, down, transactional = _read_marked(path, text, markers)
    try:
        return MigrationStep(
            name, describe(name), up=up, down=down, version=version, transactional=transactional, irreversible=_irreversible(path, text)
        )
    except InvalidStep as error:
        raise InvalidSqlFile(path=str(path), reason=error.reason) from error


def _irreversible(path: Path, text: str) -> str | None:
    found = _IRREVERSIBLE.search(text)
    if found is None:
        return None
    reason = found[1].strip()
    if not reason:
        raise InvalidSqlFile(path=str(path), line=text.count("\n", 0, found.start()) + 1, reason=f"{found[0].strip()!r} lacks the reason")
    return reason


def _read_marked(path: Path, text: str, markers: list[re.Match[str]]) -> tuple[str, str | None, bool]:
    directions = [marker[1] for marker in markers]
    if directions not in (["up"], ["up", "down"]):
        found = ", ".join(directions)
        raise InvalidSqlFile(path=str(path), reason=f"its markers are {found}; there is one up, then at most one down")
    bodies: dict[str, SqlText] = {}
    transactional = True
    for marker, end in zip(markers, [*(m.start() for m in markers[1:]), len(text)], strict=True):
        start = min(marker.end() + 1, end)
        bodies[marker[1]] = SqlText.read_from(text[start:end], path, text.count("\n", 0, start) + 1)
        options = dict(_OPTION.findall(marker[2]))
        unknown = options.keys() - {"transaction"}
        if unknown or options.get("transaction", "true") not in ("true", "false"):
            line = text.count("\n", 0, marker.start()) + 1
            raise InvalidSqlFile(path=str(path), line=line, reason=f"unknown option in {marker[0].strip()!r}")
        if marker[1] == "up":
            transactional = options.get("transaction") != "false"
    return bodies["up"], bodies.get("down"), transactional


def describe(name: str) -> str:
    """Return what the name of a file says in words."""
    return re.sub(r"^[\d.]+[_-]*", "", name).replace("_", " ").replace("-", " ").strip() or name
