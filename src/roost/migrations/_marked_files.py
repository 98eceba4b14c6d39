"""Files that may stand side by side in one folder: with dbmate's markers, in pairs as golang-migrate has them, and plain. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from roost.errors import InvalidSqlFile
from roost.migrations._outside_statements import runs_outside
from roost.migrations._sql_folder import NUMBERED_PAIR, SqlFolder, line_of, step_in
from roost.migrations._step import MigrationStep, SqlText
from roost.postgres import decode_sql

_MARKER = re.compile(r"^--[ \t]*migrate:(up|down)\b(.*)$", re.MULTILINE)
_OPTION = re.compile(r"(\w+):(\S+)")
_BLANK = r"(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*+"
_BEGINS = re.compile(rf"\A{_BLANK}((?:BEGIN|START\s+TRANSACTION)(?:\s+(?:WORK|TRANSACTION))?\s*;)", re.IGNORECASE | re.DOTALL)
_COMMITS = re.compile(rf"\b((?:COMMIT|END)(?:\s+(?:WORK|TRANSACTION))?\s*;?){_BLANK}\Z", re.IGNORECASE | re.DOTALL)


def has_markers(text: str) -> bool:
    """Tell whether a text has dbmate's markers."""
    return _MARKER.search(text) is not None


def marked_steps(folder: SqlFolder, *, version: str | None) -> list[MigrationStep]:
    """Return the steps of a folder in the order of their names, of one with nothing but numbered pairs in that of their numbers.

    Raises:
        InvalidSqlFile: A file can't be a step, or the order is that of two tools.
    """
    downs = {path.name.removesuffix(".down.sql"): path for path in folder.files if path.name.endswith(".down.sql")}
    steps: dict[str, MigrationStep] = {}
    for path in folder.files:
        if path.name.endswith(".down.sql"):
            continue
        down = downs.pop(path.name.removesuffix(".sql").removesuffix(".up"), None)
        step = _step(folder, path, down, version=version)
        if step.id in steps:
            raise InvalidSqlFile(path=str(path), reason=f"another file is the step {step.id!r} already")
        steps[step.id] = step
    for path in downs.values():
        raise InvalidSqlFile(path=str(path), reason="it undoes a step that is not there")
    if folder.has_only_numbered_pairs:
        return sorted(steps.values(), key=lambda step: (int(step.id.partition("_")[0]), step.id))
    _refuse_two_orders(folder.files)
    return list(steps.values())


def _refuse_two_orders(files: Iterable[Path]) -> None:
    """Refuse numbered pairs among other files where the order of names is not that of the numbers."""
    paths = list(files)
    if not any(NUMBERED_PAIR.fullmatch(path.name) for path in paths):
        return
    last = -1
    for path in paths:
        found = re.match(r"\d+", path.name)
        number = last if found is None else int(found[0])
        if number < last:
            reason = f"by name it comes behind number {last}, by number before it; write all numbers with the same count of digits"
            raise InvalidSqlFile(path=str(path), reason=reason)
        last = number


def _step(folder: SqlFolder, path: Path, down_path: Path | None, *, version: str | None) -> MigrationStep:
    name = path.name.removesuffix(".sql").removesuffix(".up")
    text = decode_sql(path, folder.files[path])
    markers = list(_MARKER.finditer(text))
    if markers:
        if down_path is not None:
            raise InvalidSqlFile(path=str(down_path), reason=f"{path.name} has markers, so its way back belongs there")
        up, down, transactional = _read_marked(path, text, markers)
        return step_in(path, text, name=name, up=up, down=down, version=version, transactional=transactional)
    back = None if down_path is None else decode_sql(down_path, folder.files[down_path])
    # By the file alone: what others lie beside it must not make it another text, which would be told as drift.
    is_golangs = NUMBERED_PAIR.fullmatch(path.name) is not None
    if is_golangs:
        # golang-migrate sends a file as it is: who wanted a transaction wrote one, and one statement alone is in none.
        text, back = _without_transaction(text), back and _without_transaction(back)
    return step_in(
        path,
        text,
        name=name,
        up=SqlText.read_from(text, path),
        down=None if back is None or down_path is None else SqlText.read_from(back, down_path),
        version=version,
        transactional=not (is_golangs and runs_outside(None, text)),
    )


def _without_transaction(text: str) -> str:
    """Blank out the ``BEGIN`` and ``COMMIT`` around a text, so that each sign stays in its place: a step is a transaction already."""
    begins, commits = _BEGINS.search(text), _COMMITS.search(text)
    if begins is None or commits is None or commits.start(1) < begins.end(1):
        return text
    start, end = _blanked(begins[1]), _blanked(commits[1])
    return text[: begins.start(1)] + start + text[begins.end(1) : commits.start(1)] + end + text[commits.end(1) :]


def _blanked(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def _read_marked(path: Path, text: str, markers: list[re.Match[str]]) -> tuple[str, str | None, bool]:
    directions = [marker[1] for marker in markers]
    if directions not in (["up"], ["up", "down"]):
        found = ", ".join(directions)
        raise InvalidSqlFile(path=str(path), reason=f"its markers are {found}; there is one up, then at most one down")
    bodies: dict[str, SqlText] = {}
    transactional = True
    for marker, end in zip(markers, [*(m.start() for m in markers[1:]), len(text)], strict=True):
        start = min(marker.end() + 1, end)
        bodies[marker[1]] = SqlText.read_from(text[start:end], path, line_of(text, start))
        options = dict(_OPTION.findall(marker[2]))
        unknown = options.keys() - {"transaction"}
        if unknown or options.get("transaction", "true") not in ("true", "false"):
            raise InvalidSqlFile(path=str(path), line=line_of(text, marker.start()), reason=f"unknown option in {marker[0].strip()!r}")
        if marker[1] == "up":
            transactional = options.get("transaction") != "false"
    return bodies["up"], bodies.get("down"), transactional
