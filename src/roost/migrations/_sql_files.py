"""Reads SQL migrations from files in the layouts that people have: dbmate's, goose's, golang-migrate's, Flyway's, plain ordered files."""

from __future__ import annotations

from pathlib import Path

from roost.errors import InvalidSqlFile
from roost.migrations._flyway_files import check_flyway_repeatable, flyway_steps
from roost.migrations._goose_files import goose_steps
from roost.migrations._marked_files import marked_steps
from roost.migrations._sql_folder import SqlFolder, read_folder
from roost.migrations._step import MigrationStep


def load_sql_steps(directory: str | Path, *, version: str | None = None) -> list[MigrationStep]:
    """Read the migrations of a folder, in the order of their names.

    Three layouts are known file by file, and may stand side by side:

    - one file with dbmate's markers, ``-- migrate:up`` and ``-- migrate:down``, each with an optional ``transaction:false``;
    - a pair ``NAME.up.sql`` and ``NAME.down.sql``;
    - a plain ``NAME.sql`` without a way back.

    Three are those of whole folders, in the order of numbers or versions:

    - pairs ``NUMBER_NAME.up.sql`` and ``NUMBER_NAME.down.sql``, as golang-migrate has them;
    - files ``NUMBER_NAME.sql`` with the annotations of goose, ``-- +goose Up`` and ``-- +goose Down``;
    - ``V1_2__NAME.sql`` and ``U1_2__NAME.sql`` of Flyway, whose ``R__NAME.sql`` are repeatable and not returned here.

    A file without a way back may say why there is none: ``-- migrate:irreversible`` and the reason, in a line of its own.

    Args:
        directory: The folder; what is in it and doesn't end in ``.sql`` is left alone.
        version: The version of every step.

    Returns:
        The steps; a step's id is the file's name without its ending.

    Raises:
        InvalidSqlFile: The folder is missing or has no SQL file; a file is not UTF-8, holds a NUL byte or a command of psql; a
            marker is wrong; a way back has no way up; two files have one name or one number; files of two tools leave the order open.
    """
    return steps_of(read_folder(directory), version=version)


def steps_of(folder: SqlFolder, *, version: str | None = None) -> list[MigrationStep]:
    """Return the steps that a folder's files are; arguments and errors as of `load_sql_steps`."""
    if not folder.files and not folder.repeatable:
        raise InvalidSqlFile(path=str(folder.path), reason="there is no .sql file in it")
    if folder.layout == "goose":
        return goose_steps(folder, version=version)
    if folder.layout == "flyway":
        check_flyway_repeatable(folder)
        return flyway_steps(folder, version=version)
    return marked_steps(folder, version=version)
