"""Reads SQL by PostgreSQL's own grammar: the extra ``sql``, which only this module imports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SQL_EXTRA = "pip install 'roost[sql]'"
"""What brings the grammar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedStatement:
    """One statement of a text.

    Attributes:
        kind: What the grammar calls it, such as ``"create_stmt"``.
        tree: Its parts as plain data, under the names that PostgreSQL's parse tree has for them; what is empty or false is left out.
        text: The statement as it is written, without the semicolon.
    """

    kind: str
    tree: Mapping[str, Any]
    text: str


def has_parser() -> bool:
    """Tell whether the grammar is installed."""
    try:
        import postgast  # noqa: F401, PLC0415 -- an extra, loaded only where a step needs it
    except ImportError:
        return False
    return True


def parse_sql(sql: str) -> tuple[ParsedStatement, ...] | None:
    """Split a text into its statements, and each into its parts.

    Args:
        sql: SQL. It needs the extra ``sql``: ask `has_parser` before.

    Returns:
        The statements in their order; None where the grammar, that of PostgreSQL 18, does not take the text, or the text nests too deep.
    """
    from google.protobuf.json_format import MessageToDict  # noqa: PLC0415 -- as above
    from google.protobuf.message import DecodeError  # noqa: PLC0415 -- as above
    from postgast import PgQueryError, parse  # noqa: PLC0415 -- as above

    try:
        found = parse(sql)
    except (PgQueryError, DecodeError):
        return None
    source = sql.encode()
    statements: list[ParsedStatement] = []
    for raw in found.stmts:
        ((kind, tree),) = MessageToDict(raw.stmt, preserving_proto_field_name=True).items()
        end = raw.stmt_location + raw.stmt_len if raw.stmt_len else len(source)
        text = source[raw.stmt_location : end].decode()
        statements.append(ParsedStatement(kind=kind, tree=tree, text=text.strip()))
    return tuple(statements)
