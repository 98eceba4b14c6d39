"""A folder of SQL migrations as it was read, and what the files of every layout have in common."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from roost.errors import InvalidSqlFile, InvalidStep
from roost.migrations._sql_layout import Layout, is_flyway_name, is_flyway_repeatable, layout_of
from roost.migrations._step import MigrationStep
from roost.postgres import read_sql_files

REPEATABLE = "repeatable"
"""The name of the folder for repeatable files, beside the versioned ones."""

SETTINGS = ".conf"
"""What Flyway puts behind the name of a file for the settings of that file."""

NUMBERED_PAIR = re.compile(r"(\d+)_.*\.(?:up|down)\.sql")
"""What golang-migrate calls both files of a step."""

_GO = re.compile(r"\d+_.*(?<!_test)\.go")
_IRREVERSIBLE = re.compile(r"^--[ \t]*migrate:irreversible\b(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class SqlFolder:
    """A folder of SQL migrations as it was read.

    Attributes:
        path: The folder.
        files: The bytes of each versioned file, in the order of their names.
        repeatable: The same for repeatable files: those of the folder ``repeatable`` in it, and Flyway's.
        settings: The bytes of Flyway's settings files.
        programs: Files of goose's that are written in Go.
        layout: Whose layout it is, by the names and texts of the files.

    Raises:
        InvalidSqlFile: Files of several tools are in it.
    """

    path: Path
    files: Mapping[Path, bytes]
    repeatable: Mapping[Path, bytes]
    settings: Mapping[Path, bytes] = field(default_factory=dict)
    programs: tuple[Path, ...] = ()
    layout: Layout = field(init=False)

    def __post_init__(self) -> None:
        own = {path: data for path, data in self.repeatable.items() if path.parent == self.path}
        object.__setattr__(self, "layout", layout_of({**self.files, **own}))

    @property
    def has_only_numbered_pairs(self) -> bool:
        """Whether all versioned files are golang-migrate's, so that their order is that of the numbers."""
        return bool(self.files) and all(NUMBERED_PAIR.fullmatch(path.name) for path in self.files)


def read_folder(directory: str | Path) -> SqlFolder:
    """Read the bytes of every SQL file in a folder.

    Raises:
        InvalidSqlFile: The folder is missing, a file can't be read, or files of several tools are in it.
    """
    folder = Path(directory)
    if not folder.is_dir():
        raise InvalidSqlFile(path=str(folder), reason="there is no such folder")
    found = read_sql_files(folder)
    files = {path: data for path, data in found.items() if not is_flyway_repeatable(path.name)}
    repeatable = {path: data for path, data in found.items() if path not in files}
    whole = SqlFolder(folder, files, {**repeatable, **_repeatable_beside(folder)})
    if whole.layout == "flyway":
        return replace(whole, settings=read_sql_files(folder, ending=f".sql{SETTINGS}", chosen=_is_settings))
    if whole.layout == "goose":
        return replace(whole, programs=tuple(sorted(path for path in folder.iterdir() if _GO.fullmatch(path.name))))
    return whole


def read_repeatable_files(directory: str | Path, *, of_flyway: bool) -> Mapping[Path, bytes]:
    """Read the bytes of the repeatable files alone.

    Args:
        directory: The folder.
        of_flyway: Whether it may be one of Flyway's.

    Raises:
        InvalidSqlFile: The folder or a file can't be read.
    """
    folder = Path(directory)
    flyway = read_sql_files(folder, chosen=is_flyway_repeatable) if of_flyway and folder.is_dir() else {}
    return {**flyway, **_repeatable_beside(folder)}


def _repeatable_beside(folder: Path) -> dict[Path, bytes]:
    beside = folder / REPEATABLE
    if beside.is_dir():
        return read_sql_files(beside)
    if beside.is_symlink():
        raise InvalidSqlFile(path=str(beside), reason="it is a link that leads nowhere")
    return {}


def _is_settings(name: str) -> bool:
    return is_flyway_name(name.removesuffix(SETTINGS))


def describe(name: str) -> str:
    """Return what the name of a file says in words."""
    bare = re.sub(r"^(?:[VU][\d._]+__|R__|[\d.]+[_-]*)", "", name)
    return bare.replace("_", " ").replace("-", " ").strip() or name


def step_in(
    path: Path, text: str, *, name: str, up: str, down: str | None, version: str | None, transactional: bool = True
) -> MigrationStep:
    """Return the step that a file is.

    Args:
        path: The file.
        text: All of its text.
        name: The step's id.
        up: What it does.
        down: The way back; None where there is none, which the text may explain.
        version: The step's version.
        transactional: Whether it runs in a transaction.

    Raises:
        InvalidSqlFile: It can't be a step.
    """
    try:
        return MigrationStep(
            name,
            describe(name),
            up=up,
            down=down,
            version=version,
            transactional=transactional,
            irreversible=_irreversible(path, text),
        )
    except InvalidStep as error:
        raise InvalidSqlFile(path=str(path), reason=error.reason) from error


def line_of(text: str, position: int) -> int:
    """Return the number of the line in which a position is."""
    return text.count("\n", 0, position) + 1


def _irreversible(path: Path, text: str) -> str | None:
    found = _IRREVERSIBLE.search(text)
    if found is None:
        return None
    reason = found[1].strip()
    if not reason:
        raise InvalidSqlFile(path=str(path), line=line_of(text, found.start()), reason=f"{found[0].strip()!r} lacks the reason")
    return reason
