"""Says where in a step an error arose, and puts PostgreSQL's words together. Pure."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from roost.migrations._step import SqlText
from roost.postgres import PSQL_ONLY, SQL_EXTRA, has_parser, sqlstate_of

if TYPE_CHECKING:
    from roost.migrations._step import StepBody

MAX_ERROR_LENGTH = 2000
SYNTAX_ERROR = "42601"
IN_TRANSACTION = "25001"


def explain(error: BaseException, *, transactional: bool = True) -> str:
    """Return an error's own words, PostgreSQL's detail and hint included, cut to a length that a ledger row can bear.

    Args:
        error: What was raised.
        transactional: Whether the step ran in a transaction.
    """
    words = str(error) or type(error).__name__
    # psql's commands may also stand behind a statement, and there the server finds them.
    if sqlstate_of(error) == SYNTAX_ERROR and 'at or near "\\"' in words:
        words = f"{words}; {PSQL_ONLY}"
    # Several statements in one message are a transaction of their own.
    if not transactional and sqlstate_of(error) == IN_TRANSACTION and not has_parser():
        words = f"{words}; several statements in a step with transactional=False need: {SQL_EXTRA}"
    return words[:MAX_ERROR_LENGTH]


def location_of(error: BaseException, body: StepBody, *, part: tuple[str, int] | None = None) -> str | None:
    """Return where in the step the error arose: the file and line, or the line of the SQL; None where nobody knows.

    Args:
        error: What PostgreSQL or the function raised.
        body: The step's body; SQL from a file knows its place there.
        part: What of it was sent, and how many characters come before that; None where it was sent as a whole.
    """
    if not isinstance(body, str):
        code = getattr(body, "__code__", None)
        if code is None:
            return None
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == code.co_filename]
        return f"{code.co_filename}:{lines[-1] if lines else code.co_firstlineno}"
    sent, start = part or (body, 0)
    found = _position_in(error, sent)
    position = None if found is None else found + start
    line = body.count("\n", 0, position - 1) if position is not None else None
    if isinstance(body, SqlText):
        return f"{body.path}:{body.first_line + (line or 0)}"
    return None if line is None else f"line {line + 1}"


def _position_in(error: BaseException, body: str) -> int | None:
    # Inside EXECUTE the position counts characters of the step's own text; a query in a function it calls is not that text.
    if getattr(error, "internal_query", None) == body:
        text = getattr(error, "internal_position", None)
    else:
        text = getattr(error, "position", None) if getattr(error, "query", None) == body else None
    return int(text) if text and str(text).isdigit() else None
