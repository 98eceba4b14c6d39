"""The options that every command has, as cyclopts reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from cyclopts import Parameter

RuntimeName: TypeAlias = Annotated[
    str | None,
    Parameter(
        help="The runtime as module:attribute: a Runtime, or a function that returns one. "
        "Else ROOST_RUNTIME, or `runtime` in \\[tool.roost] of pyproject.toml.",
    ),
]

LogFormat: TypeAlias = Literal["text", "json"]


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Printing:
    """How a command speaks.

    Attributes:
        json: Whether the result is one JSON document.
        traceback: Whether an error shows where it came from.
        log_format: How standard error is written: for people, or as a log of JSON lines.
    """

    json: Annotated[bool, Parameter(negative=(), help="Print one JSON document on standard output.")] = False
    traceback: Annotated[bool, Parameter(negative=(), help="Show where an error came from.")] = False
    log_format: Annotated[
        LogFormat,
        Parameter(env_var="ROOST_LOG_FORMAT", help="What standard error holds: text, or json, a document a line. Else ROOST_LOG_FORMAT."),
    ] = "text"


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Common(Printing):
    """What every command takes that works on a database.

    Attributes:
        database_url: The database, before what the environment, the project and the runtime say.
    """

    database_url: Annotated[
        str | None,
        Parameter(
            help="The database. Else ROOST_DATABASE_URL, DATABASE_URL, `database_url` in \\[tool.roost], the runtime's own, "
            "or what PGHOST and its like say."
        ),
    ] = None


IN_WORDS = Printing()
NOTHING_SPECIAL = Common()
