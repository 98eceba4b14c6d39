"""What ``roost lint`` and ``roost check`` lint: which words are files, and for which server."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from roost.errors import BadProject, BadUsage, RoostError

if TYPE_CHECKING:
    from roost.cli._project import Project
    from roost.migrations import DeclaredSteps

_VERSION = re.compile(r"([0-9]{1,3})(?:\.[0-9]{1,3})?")


@dataclass(frozen=True, slots=True)
class Targets:
    """What the words of the command line name.

    Attributes:
        runtime: The runtime as ``module:attribute``; None for the project's.
        files: Files of SQL; where there are any, no runtime is loaded.
    """

    runtime: str | None
    files: tuple[Path, ...]


def chosen_targets(words: Sequence[str]) -> Targets:
    """Tell files from a runtime: a file's name ends in ``.sql``, a folder stands for the files in it.

    Raises:
        BadUsage: A file is not there or can't be looked for, several runtimes are named, or both kinds.
    """
    files: list[Path] = []
    runtimes: list[str] = []
    try:
        for word in words:
            path = Path(word)
            if path.is_dir():
                files += sorted(found for found in path.iterdir() if found.name.endswith(".sql") and found.is_file())
            elif word.endswith(".sql"):
                files.append(path)
            else:
                runtimes.append(word)
        gone = next((path for path in files if not path.is_file()), None)
    except OSError as error:
        raise BadUsage(reason=f"{error.filename} can't be read: {error.strerror}", remedy="see who may read it") from error
    if gone is not None:
        raise BadUsage(reason=f"There is no file {str(gone)!r}", remedy="name files of SQL, or a runtime as module:attribute")
    if len(runtimes) > 1 or (runtimes and files):
        raise BadUsage(reason=f"Can't lint {' and '.join(words)} at once", remedy="name one runtime as module:attribute, or files of SQL")
    if words and not files and not runtimes:
        raise BadUsage(reason=f"There is no .sql file in {', '.join(words)}", remedy="name files of SQL, or a runtime as module:attribute")
    return Targets(runtimes[0] if runtimes else None, tuple(files))


def chosen_version(option: str | None, project: Project, *, oldest: str) -> str:
    """Return the version of the server to lint for.

    Args:
        option: What the command line says, before what the project says.
        project: What the project says.
        oldest: The oldest version that roost supports, for where nothing is said.

    Raises:
        BadUsage: The option is no version, or older than what roost supports.
        BadProject: The same of the project's.
    """
    said = option if option is not None else project.postgres_version or oldest
    match = _VERSION.fullmatch(said)
    if match is not None and int(match[1]) >= int(oldest):
        return said
    reason = f"{said!r} is no version of PostgreSQL from {oldest} on"
    if option is not None:
        raise BadUsage(reason=reason, remedy="write it as 16 or 16.4: the oldest server that the migrations will run on")
    raise BadProject(path="pyproject.toml", reason=f"postgres_version in [tool.roost]: {reason}")


def steps_of_files(files: Sequence[Path]) -> list[DeclaredSteps]:
    """Read files as the steps that they would be in a folder of migrations; ways back are passed over.

    Returns:
        The steps of the files, and one with an error for each that can't be read.
    """
    from roost.migrations import DeclaredSteps, MigrationStep, RepeatableStep, read_sql_step  # noqa: PLC0415 -- `roost --help` needs none

    read: list[MigrationStep | RepeatableStep | None] = []
    wrong: list[DeclaredSteps] = []
    for path in files:
        try:
            read.append(read_sql_step(path))
        except RoostError as error:
            wrong.append(DeclaredSteps(plugin=None, error=error))
    steps = tuple(step for step in read if isinstance(step, MigrationStep))
    repeatable = tuple(step for step in read if isinstance(step, RepeatableStep))
    return [DeclaredSteps(plugin=None, steps=steps, repeatable=repeatable), *wrong]
