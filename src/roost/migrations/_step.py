"""One step of a plugin's migrations, and the SQL text it may be made of."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from roost.errors import InvalidStep
from roost.migrations._versions import parse_version
from roost.postgres import PSQL_ONLY, copies_from_stdin, is_blank, psql_command

if TYPE_CHECKING:
    from roost.migrations._context import MigrationContext

    StepFunction: TypeAlias = Callable[[MigrationContext], Awaitable[object]] | Callable[[], Awaitable[object]]
    StepBody: TypeAlias = str | StepFunction

MAX_NAME_BYTES = 255


@runtime_checkable
class ShowsSql(Protocol):
    """A step's function that can show in SQL what it does, for whoever looks at a plan."""

    def as_sql(self) -> str | None:
        """Return the SQL; None where it can't be told without running it."""


class SqlText(str):  # noqa: SLOT000 -- it has attributes of its own
    """SQL that remembers the file and line it was read from, so that an error can name them.

    Attributes:
        path: The file.
        first_line: The line of the file on which the text begins, counted from 1.
    """

    path: Path
    first_line: int

    @classmethod
    def read_from(cls, text: str, path: Path, first_line: int = 1) -> SqlText:
        """Mark `text` as lines of `path` that begin at `first_line`."""
        sql = cls(text)
        sql.path = path
        sql.first_line = first_line
        return sql


@dataclass(frozen=True, slots=True)
class MigrationStep:
    """One step: what it does to the database, and how that is undone.

    Args:
        id: Names the step within its plugin, for ever: the ledger knows it by this.
        description: What it does, for people.
        up: SQL text, or an async function that takes a `MigrationContext` or nothing.
        down: The way back, in the same forms; None means that the step can't be rolled back.
        version: The plugin version the step belongs to; None takes the target version of the call that returned the step.
        transactional: False runs `up` outside a transaction, for statements such as ``CREATE INDEX CONCURRENTLY`` that
            PostgreSQL refuses inside one; each of its statements is sent by itself (several need the extra `sql`).
        requires: Steps of other plugins that must be applied before, each ``"plugin:step-id"``.
        breaking: True says that code from before this step must not run against a database that has it.
        lock_timeout: Seconds one attempt waits for a table's lock; None takes the configuration's.
        statement_timeout: Seconds one statement of the step may take; None takes the configuration's.
        fingerprint: Stands for the body in the ledger, in place of the hash that roost computes.
        irreversible: Why there is no way back, for people who want to roll back; None says nothing. It excludes `down`.

    Raises:
        InvalidStep: The id is empty, too long or unprintable, the body is neither SQL nor callable, the SQL can't be sent
            to PostgreSQL or holds a command of psql, it has a way back and says that there is none, or a step outside a
            transaction is a function, no statement or ``COPY … FROM STDIN``.
        InvalidPluginVersion: `version` is no version.
    """

    id: str
    description: str
    up: StepBody
    down: StepBody | None = None
    _: KW_ONLY
    version: str | None = None
    transactional: bool = True
    requires: tuple[str, ...] = ()
    breaking: bool = False
    lock_timeout: float | None = None
    statement_timeout: float | None = None
    fingerprint: str | None = None
    irreversible: str | None = None
    declared_text: str = field(init=False, repr=False, compare=False)
    """What the step contributes to the digest of its plugin's declaration: its fingerprint, else its SQL, else that it is a function.

    A changed Python body is a notice, not another declaration, and reading source code is too slow for a start with nothing to do.
    """

    def __post_init__(self) -> None:
        check_id(self.id)
        if self.fingerprint is not None and not _is_printable(self.fingerprint):
            raise InvalidStep(step=self.id, reason="its fingerprint is not printable")
        if self.version is not None:
            parse_version(self.version)
        object.__setattr__(self, "requires", tuple(self.requires))
        for name in self.requires:
            if ":" not in name:
                raise InvalidStep(step=self.id, reason=f"requires {name!r}, which is not of the form 'plugin:step-id'")
        self._check_body("up", self.up)
        self._check_way_back()
        check_limits(self.id, lock_timeout=self.lock_timeout, statement_timeout=self.statement_timeout)
        text = self.fingerprint or (with_unix_lines(self.up) if isinstance(self.up, str) else "py")
        object.__setattr__(self, "declared_text", text)

    def _check_body(self, name: str, body: object) -> None:
        if isinstance(body, str):
            check_sql_text(body, step=self.id, field=name)
            if name == "up" and not self.transactional:
                self._check_statement(body)
        elif not callable(body):
            raise InvalidStep(step=self.id, reason=f"{name} is neither SQL text nor a function but {type(body).__name__}")
        elif not self.transactional:
            raise InvalidStep(step=self.id, reason=f"transactional=False is for SQL, and {name} is a function")

    def _check_way_back(self) -> None:
        if self.down is not None:
            self._check_body("down", self.down)
        if self.irreversible is None:
            return
        if self.down is not None:
            raise InvalidStep(step=self.id, reason="it has a down and says that it is irreversible; one of them is wrong")
        if not _is_printable(self.irreversible) or not self.irreversible.strip():
            raise InvalidStep(step=self.id, reason="irreversible is no printable reason; say in one line why there is no way back")

    def _check_statement(self, sql: str) -> None:
        # Inside a transaction the server bears the one and refuses the other.
        if is_blank(sql):
            raise InvalidStep(step=self.id, reason="transactional=False is for SQL statements, and up holds none")
        if copies_from_stdin(sql):
            raise InvalidStep(step=self.id, reason="COPY FROM STDIN has no data here; use ctx.copy_records_to_table(…) in a function")


def with_unix_lines(sql: str) -> str:
    """Return SQL with line feeds for line ends: a checkout with CRLF line ends is the same step."""
    return sql.replace("\r\n", "\n") if "\r\n" in sql else sql


def _is_printable(value: object) -> bool:
    return isinstance(value, str) and value != "" and value.isprintable()


def check_id(step: str) -> None:
    """Refuse what can't name a step in the ledger, in errors and on a terminal.

    Raises:
        InvalidStep: It is empty, unprintable or too long.
    """
    if not _is_printable(step):
        raise InvalidStep(step=repr(step), reason="a step's id is a non-empty, printable string")
    if len(step.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES:
        raise InvalidStep(step=f"{step[:40]}…", reason=f"its id is longer than {MAX_NAME_BYTES} bytes")


def check_limits(step: str, **limits: float | None) -> None:
    """Refuse negative time limits of a step.

    Raises:
        InvalidStep: One is negative.
    """
    for name, seconds in limits.items():
        if seconds is not None and seconds < 0:
            raise InvalidStep(step=step, reason=f"{name} is negative; it is seconds, and 0 means no limit")


def check_sql_text(text: str, *, step: str, field: str) -> None:
    """Refuse text that PostgreSQL's protocol can't carry, and what only psql can run, before anything runs.

    Raises:
        InvalidStep: The text holds a NUL byte, a lone surrogate, which has no UTF-8 form, or a command of psql.
    """
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InvalidStep(step=step, reason=f"{field} holds a NUL byte in line {line}")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise InvalidStep(step=step, reason=f"{field} holds half a surrogate pair in line {line}") from error
    command = psql_command(text)
    if command is not None:
        raise InvalidStep(step=step, reason=f"{field} holds {command[0]} in line {command[1]}; {PSQL_ONLY}")


def sql_of(body: object) -> str | None:
    """Return a body's SQL for people; None of a function that can't show any."""
    if isinstance(body, str):
        return body
    return body.as_sql() if isinstance(body, ShowsSql) else None


def takes_context(function: Callable[..., Any]) -> bool:
    """Tell whether a step's function wants the `MigrationContext` or is called with nothing."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return True
    positional = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    )
    return any(parameter.kind in positional for parameter in parameters)
