"""The table ``[tool.roost]`` of the current directory's ``pyproject.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

from roost.errors import BadProject


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What a project says about its use of roost.

    Attributes:
        runtime: Its runtime, as ``module:attribute``.
        app: The ASGI application that ``roost demo`` serves, as ``module:attribute``.
        database_url: The database where neither an option nor the environment names one.
        postgres_version: The version of the oldest server that the migrations will run on, such as ``"16"``.
        demo_request: The request that ``roost demo --once`` sends, such as ``"GET /"``.
    """

    runtime: str | None = None
    app: str | None = None
    database_url: str | None = None
    postgres_version: str | None = None
    demo_request: str = "GET /"


def read_project(directory: Path) -> Project:
    """Read a directory's ``pyproject.toml``; without one, or without the table, nothing is set.

    Raises:
        BadProject: The file can't be read, or the table holds something else than it may.
    """
    path = directory / "pyproject.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Project()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadProject(path=path.name, reason=str(error)) from error
    tool = document.get("tool", {})
    table = tool.get("roost", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise BadProject(path=path.name, reason="tool.roost is no table")
    known = {field.name for field in fields(Project)}
    for key, value in table.items():
        if key not in known:
            from roost.runtime import closest  # noqa: PLC0415 -- `roost --help` needs no runtime

            raise BadProject(path=path.name, reason=f"[tool.roost] has an unknown key {key!r}", suggestions=closest(key, known))
        if not isinstance(value, str) or not value.strip():
            raise BadProject(path=path.name, reason=f"{key} in [tool.roost] is no text: {value!r}")
    return Project(**table)
