"""Files named as Flyway's are: ``V1_2__name.sql`` in the order of versions, ``U1_2__name.sql`` as their ways back. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from roost.errors import InvalidSqlFile
from roost.migrations._marked_files import has_markers
from roost.migrations._outside_statements import runs_outside
from roost.migrations._sql_folder import SETTINGS, SqlFolder, line_of, step_in
from roost.migrations._sql_layout import is_flyway_repeatable
from roost.migrations._step import MigrationStep, SqlText
from roost.postgres import decode_sql

FlywayVersion: TypeAlias = tuple[int, ...]

_NAME = re.compile(r"([VU])(\d+(?:[._]\d+)*)__.+\.sql")
_PLACEHOLDER = re.compile(r"\$\{[^{}\n]*\}")
_TRUTH = {"true": True, "false": False}


def flyway_version(text: str) -> FlywayVersion:
    """Return the parts of one of Flyway's versions: 1.10 comes after 1.2, and 1.0 is 1."""
    parts = [int(part) for part in re.split(r"[._]", text)]
    while len(parts) > 1 and parts[-1] == 0:
        parts.pop()
    return tuple(parts)


def flyway_steps(folder: SqlFolder, *, version: str | None) -> list[MigrationStep]:
    """Return the versioned steps of a folder of Flyway's.

    Raises:
        InvalidSqlFile: A file is none of Flyway's, has a version twice, or holds what only Flyway can read.
    """
    found: dict[str, dict[FlywayVersion, Path]] = {"V": {}, "U": {}}
    for path in folder.files:
        name = _NAME.fullmatch(path.name)
        if name is None:
            reason = (
                "others here are Flyway's, whose names are V1__name.sql, U1__name.sql or R__name.sql; callbacks and baselines don't run"
            )
            raise InvalidSqlFile(path=str(path), reason=reason)
        own = flyway_version(name[2])
        if own in found[name[1]]:
            raise InvalidSqlFile(path=str(path), reason=f"its version is that of {found[name[1]][own].name}")
        found[name[1]][own] = path
    for own, path in found["U"].items():
        if own not in found["V"]:
            raise InvalidSqlFile(path=str(path), reason="it undoes a step that is not there")
    return [_step(folder, path, found["U"].get(own), version=version) for own, path in sorted(found["V"].items())]


def check_flyway_repeatable(folder: SqlFolder) -> None:
    """Refuse repeatable files that hold what only Flyway can read.

    Raises:
        InvalidSqlFile: One does, or wants to run outside a transaction.
    """
    for path, data in folder.repeatable.items():
        if is_flyway_repeatable(path.name) and not _settings(folder, path, decode_sql(path, data)):
            raise InvalidSqlFile(path=str(path), reason="a repeatable step runs in a transaction")


def _step(folder: SqlFolder, path: Path, back: Path | None, *, version: str | None) -> MigrationStep:
    text = decode_sql(path, folder.files[path])
    down = None if back is None else decode_sql(back, folder.files[back])
    if back is not None and down is not None:
        _settings(folder, back, down)
    return step_in(
        path,
        text,
        name=path.name.removesuffix(".sql"),
        up=SqlText.read_from(text, path),
        down=None if back is None or down is None else SqlText.read_from(down, back),
        version=version,
        # Flyway looks by itself for what PostgreSQL refuses in a transaction.
        transactional=_settings(folder, path, text) and not runs_outside(None, text),
    )


def _settings(folder: SqlFolder, path: Path, text: str) -> bool:
    """Read a file's settings, and return whether it runs in a transaction."""
    settings = _settings_of(path.with_name(path.name + SETTINGS), folder.settings)
    if has_markers(text):
        raise InvalidSqlFile(path=str(path), reason="it is named as Flyway's are and has markers of dbmate; rename it")
    placeholder = _PLACEHOLDER.search(text) if settings.get("placeholderReplacement", True) else None
    if placeholder is not None:
        line = line_of(text, placeholder.start())
        raise InvalidSqlFile(
            path=str(path), line=line, reason=f"{placeholder[0]} is a placeholder, which only Flyway fills in; write it out"
        )
    return settings.get("executeInTransaction", True)


def _settings_of(path: Path, files: Mapping[Path, bytes]) -> dict[str, bool]:
    read: dict[str, bool] = {}
    for number, line in enumerate(files.get(path, b"").decode("utf-8", "replace").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, _, value = (part.strip() for part in line.partition("="))
        if key in ("executeInTransaction", "placeholderReplacement") and value.lower() in _TRUTH:
            read[key] = _TRUTH[value.lower()]
        elif (key, value.upper().replace("_", "-")) != ("encoding", "UTF-8"):
            raise InvalidSqlFile(path=str(path), line=number, reason=f"roost does not know what {line.strip()!r} wants")
    return read
