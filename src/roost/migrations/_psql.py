r"""Finds commands of psql in SQL text: ``\i``, ``\copy``, ``\connect`` are for that client, and no server can run them. Pure.

PostgreSQL's own lexer takes a backslash nowhere but in literals, quoted names and comments, so a line that begins with one elsewhere is
no SQL. What is a literal is told as that lexer tells it (``src/backend/parser/scan.l``); text that ends in the middle of one is left to
the server, which names the place.
"""

from __future__ import annotations

import re

PSQL_ONLY = "commands with a backslash are psql's own, and no server runs them: write in SQL what it does, or leave the line out"

# Every sign outside of ASCII may be part of a name.
_IN_NAME = r"[\w$\x80-\U0010ffff]"
_ESCAPED = r"' (?: [^'\\] | \\. | '' )*+ (?: ' | \Z )"
_COMMAND = re.compile(r"^[ \t]*\\\S", re.MULTILINE)
_TOKEN = re.compile(
    rf"""
      --[^\n\r]*
    | (?P<comment> /\*)
    | (?<!{_IN_NAME}) [eE] {_ESCAPED} (?: \s*?[\n\r]\s* {_ESCAPED} )*+
    | ' [^']*+ (?: ' | \Z )
    | " [^"]*+ (?: " | \Z )
    | (?<!{_IN_NAME}) (?P<tag> \$ (?: [A-Za-z_\x80-\U0010ffff][\w\x80-\U0010ffff]* )? \$ ) .*? (?: (?P=tag) | \Z )
    | (?P<command> ^[ \t]*\\\S+ )
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")


def psql_command(text: str) -> tuple[str, int] | None:
    """Find the first line that is a command of psql.

    Args:
        text: SQL.

    Returns:
        The command and its line, counted from 1; None where there is none.
    """
    # Nearly all texts end here, and some are large.
    if "\\" not in text or _COMMAND.search(text) is None:
        return None
    position = 0
    while (found := _TOKEN.search(text, position)) is not None:
        if found["command"] is not None:
            return found["command"].strip(), text.count("\n", 0, found.end()) + 1
        position = _end_of_comment(text, found.end()) if found["comment"] else found.end()
    return None


def _end_of_comment(text: str, position: int) -> int:
    # Comments nest in PostgreSQL.
    depth = 1
    while depth and (edge := _COMMENT_EDGE.search(text, position)) is not None:
        depth += 1 if edge[0] == "/*" else -1
        position = edge.end()
    return len(text) if depth else position
