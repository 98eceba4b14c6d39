"""Tells by the names and texts of SQL files which tool's layout a folder has. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

from roost.errors import InvalidSqlFile

Layout: TypeAlias = Literal["own", "goose", "flyway"]
"""``"own"`` is what may stand side by side: dbmate's markers, pairs, plain files."""

_FLYWAY = re.compile(r"(?:[VUB]\d[\d._]*|R)__.+\.sql")
_GOOSE = re.compile(rb"^[ \t]*--[ \t]*\+goose\b", re.MULTILINE | re.IGNORECASE)


def layout_of(files: Mapping[Path, bytes]) -> Layout:
    """Return the layout of a folder's files.

    Raises:
        InvalidSqlFile: It has files of Flyway and of goose, each of which puts them in an order of its own.
    """
    flyway = next((path for path in files if is_flyway_name(path.name)), None)
    goose = next((path for path, data in files.items() if b"+goose" in data and _GOOSE.search(data)), None)
    if flyway is not None and goose is not None:
        raise InvalidSqlFile(path=str(goose), reason=f"it is goose's, and {flyway.name} is Flyway's: one folder has the order of one tool")
    return "flyway" if flyway is not None else "goose" if goose is not None else "own"


def is_flyway_name(name: str) -> bool:
    """Tell whether a file is named as Flyway's are: ``V1__name.sql``, ``U1__name.sql``, ``R__name.sql``."""
    return _FLYWAY.fullmatch(name) is not None


def is_way_back(name: str) -> bool:
    """Tell by its name whether a file is nothing but another's way back: ``NAME.down.sql``, or Flyway's ``U1__name.sql``."""
    return name.endswith(".down.sql") or (name.startswith("U") and is_flyway_name(name))


def is_flyway_repeatable(name: str) -> bool:
    """Tell whether a file is a repeatable one of Flyway's: ``R__name.sql``."""
    return name.startswith("R__") and is_flyway_name(name)
