"""Files with goose's annotations, in the order of their numbers. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from roost.errors import InvalidSqlFile
from roost.migrations._marked_files import has_markers
from roost.migrations._sql_folder import SqlFolder, line_of, step_in
from roost.migrations._step import MigrationStep, SqlText
from roost.postgres import decode_sql, is_blank

_NAME = re.compile(r"(\d+)_.+\.sql")
_ANNOTATION = re.compile(r"^[ \t]*--[ \t]*\+goose\b[ \t]*(.*?)[ \t]*\r?$", re.MULTILINE | re.IGNORECASE)
_ORDER = ("up", "down")


def goose_steps(folder: SqlFolder, *, version: str | None) -> list[MigrationStep]:
    """Return the steps of a folder of goose's.

    Raises:
        InvalidSqlFile: A file is none of goose's, is written in Go, has a number twice or an annotation that is wrong.
    """
    if folder.programs:
        raise InvalidSqlFile(path=str(folder.programs[0]), reason="it is a migration in Go; write it as SQL, or as a function of Python")
    steps: dict[int, MigrationStep] = {}
    for path, data in folder.files.items():
        found = _NAME.fullmatch(path.name)
        if found is None:
            raise InvalidSqlFile(path=str(path), reason="others here are goose's, whose names begin with a number and an underscore")
        number = int(found[1])
        if number in steps:
            raise InvalidSqlFile(path=str(path), reason=f"its number is that of {steps[number].id}")
        steps[number] = _step(path, decode_sql(path, data), version=version)
    return [steps[number] for number in sorted(steps)]


@dataclass(slots=True)
class _Reading:
    """How far a file was read: which part is open since when, and since when a statement of several semicolons."""

    parts: dict[str, tuple[int, int]]
    part: str | None = None
    start: int = 0
    statement: int | None = None
    transactional: bool = True

    def end_part(self, position: int) -> None:
        if self.part is not None:
            self.parts[self.part] = (self.start, position)


def _step(path: Path, text: str, *, version: str | None) -> MigrationStep:
    if has_markers(text):
        raise InvalidSqlFile(path=str(path), reason="it has markers of dbmate and annotations of goose; one tool's are enough")
    reading = _Reading({})
    lacking: list[int] = []
    annotations = list(_ANNOTATION.finditer(text))
    if not annotations:
        raise InvalidSqlFile(path=str(path), reason="others here are goose's, and it has no '-- +goose Up'")
    for found in annotations:
        wrong = _read(reading, found, text, lacking)
        if wrong is not None:
            raise InvalidSqlFile(path=str(path), line=line_of(text, found.start()), reason=f"{found[0].strip()!r}: {wrong}")
    if reading.statement is not None:
        line = line_of(text, reading.statement)
        raise InvalidSqlFile(path=str(path), line=line, reason="a statement begins here that no '-- +goose StatementEnd' ends")
    reading.end_part(len(text))
    if "up" not in reading.parts:
        raise InvalidSqlFile(path=str(path), reason="it has no '-- +goose Up'")
    bodies = {part: _body(path, text, bounds, lacking) for part, bounds in reading.parts.items()}
    return step_in(
        path,
        text,
        name=path.name.removesuffix(".sql"),
        up=bodies["up"],
        down=bodies.get("down"),
        version=version,
        transactional=reading.transactional,
    )


def _read(reading: _Reading, found: re.Match[str], text: str, lacking: list[int]) -> str | None:
    """Take an annotation in, and return what is wrong with it."""
    wrong: str | None = None
    match " ".join(found[1].lower().split()):
        case "up" | "down" as word:
            wrong = _read_part(reading, found, text, word)
        case "no transaction":
            reading.transactional = False
        case "statementbegin":
            wrong = "it begins no statement here" if reading.part is None or reading.statement is not None else None
            reading.statement = found.end()
        case "statementend" if reading.statement is None:
            wrong = "no statement has begun"
        case "statementend":
            if not _is_ended(text[reading.statement : found.start()]):
                lacking.append(found.start())
            reading.statement = None
        case "envsub on":
            wrong = "roost puts no variables of the environment into SQL"
        case word if word != "envsub off":
            wrong = "goose has no such annotation"
    return wrong


def _read_part(reading: _Reading, found: re.Match[str], text: str, word: str) -> str | None:
    expected = _ORDER[len(reading.parts) + (reading.part is not None)] if len(reading.parts) < 1 else None
    if word != expected or reading.statement is not None:
        return "there is one Up, then at most one Down"
    if reading.part is None and not is_blank(text[: found.start()]):
        return "SQL stands before it"
    reading.end_part(found.start())
    reading.part, reading.start = word, min(found.end() + 1, len(text))
    return None


def _is_ended(statement: str) -> bool:
    head, semicolon, tail = statement.rpartition(";")
    return is_blank(statement) or (semicolon == ";" and is_blank(tail) and not is_blank(head))


def _body(path: Path, text: str, bounds: tuple[int, int], lacking: list[int]) -> SqlText:
    """Return a part's text; goose itself ends a statement at ``StatementEnd``, with or without a semicolon."""
    start, end = bounds
    body, at = "", start
    for position in (one for one in lacking if start <= one < end):
        body, at = f"{body}{text[at:position]};", position
    return SqlText.read_from(body + text[at:end], path, line_of(text, start))
