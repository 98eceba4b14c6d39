"""Reads repeatable steps from files: each is one file, with at most a few words for roost in the comments at its top."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from roost.errors import InvalidSqlFile, InvalidStep
from roost.migrations._repeatable_step import RepeatableStep
from roost.migrations._sql_folder import describe, line_of, read_repeatable_files
from roost.migrations._step import SqlText
from roost.postgres import decode_sql, is_blank

_MIGRATE = re.compile(r"^--[ \t]*migrate:(?:up|down)\b", re.MULTILINE)
_WORD = re.compile(
    r"^--[ \t]*roost:(?![ \t]*ignore(?:-file)?(?![\w-]))(.*)$", re.MULTILINE
)  # what is to be ignored, and where, is for roost lint
_AFTER = re.compile(r"[ \t]*after[ \t]*=[ \t]*([^\s,]+(?:[ \t]*,[ \t]*[^\s,]+)*)\s*")


def read_repeatable(directory: str | Path, *, of_flyway: bool = True) -> list[RepeatableStep]:
    """Read the repeatable steps of a folder of migrations: Flyway's, and those in its folder ``repeatable``; errors as of `repeatable_of`.

    Args:
        directory: The folder.
        of_flyway: False where it is known to be none of Flyway's.

    Returns:
        The steps; none where there are no such files.
    """
    return repeatable_of(read_repeatable_files(directory, of_flyway=of_flyway))


def repeatable_of(files: Mapping[Path, bytes]) -> list[RepeatableStep]:
    """Return the repeatable steps that files are, in the order of their names.

    A step's id is the file's name without its ending. A line ``-- roost: after = one, another`` among the comments at the top of a file
    names steps that must run before.

    Args:
        files: The bytes of each file.

    Raises:
        InvalidSqlFile: A file is not UTF-8, holds a NUL byte or a command of psql, is one half of a pair or has markers, as only a
            versioned file may, or a word for roost is wrong.
    """
    return [_step(path, data) for path, data in files.items()]


def _step(path: Path, data: bytes) -> RepeatableStep:
    name = path.name.removesuffix(".sql")
    if name.endswith((".up", ".down")):
        raise InvalidSqlFile(path=str(path), reason="a repeatable file is no pair: it has no way back")
    text = decode_sql(path, data)
    marker = _MIGRATE.search(text)
    if marker is not None:
        raise InvalidSqlFile(path=str(path), line=line_of(text, marker.start()), reason="a repeatable file has no markers, and no way back")
    after = _after(path, text)
    try:
        return RepeatableStep(name, describe(name), up=SqlText.read_from(text, path), after=after)
    except InvalidStep as error:
        raise InvalidSqlFile(path=str(path), reason=error.reason) from error


def _after(path: Path, text: str) -> tuple[str, ...]:
    names: list[str] = []
    for word in _WORD.finditer(text):
        line = line_of(text, word.start())
        if not is_blank(text[: word.start()]):
            raise InvalidSqlFile(path=str(path), line=line, reason="words for roost stand at the top of a file, before its first statement")
        found = _AFTER.fullmatch(word[1])
        if found is None:
            raise InvalidSqlFile(
                path=str(path), line=line, reason=f"{word[0].strip()!r} is not of the form '-- roost: after = one, another'"
            )
        names += re.split(r"[ \t]*,[ \t]*", found[1])
    return tuple(names)
