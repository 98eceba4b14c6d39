r"""Sees in SQL text what PostgreSQL's lexer sees: commands of psql, COPY without data, nothing at all, tokens whatever their layout. Pure.

What is a literal, a quoted name or a comment is told as PostgreSQL's own lexer tells it (``src/backend/parser/scan.l``), and is passed
over. Text that ends in the middle of one is left to the server, which names the place. This splits no statements and parses none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

PSQL_ONLY = "commands with a backslash are psql's own, and no server runs them: write in SQL what it does, or leave the line out"

# Sets of signs are repeated possessively, so that nothing is tried in two ways; groups are not, as before Python 3.11.5 a possessive group
# may match what it should not.

# Every sign outside of ASCII may be part of a name.
_IN_NAME = r"[\w$\x80-\U0010ffff]"
_SPACE = r"[ \t\n\r\f\v]"
# Literals with nothing but this between them are one; a line must end in it.
_GAP = rf"(?: [ \t\f\v] | --[^\n\r]*+ )* [\n\r] (?: {_SPACE} | --[^\n\r]*+[\n\r] )*"
_PLAIN = r"' [^']*+ (?: '' [^']*+ )* (?: ' | \Z )"
_ESCAPED = r"' [^'\\]*+ (?: (?: \\. | '' ) [^'\\]*+ )* (?: ' | \Z )"
_QUOTED_NAME = r'" [^"]*+ (?: "" [^"]*+ )* (?: " | \Z )'
_DOLLARS = r"(?P<tag> \$ (?: [A-Za-z_\x80-\U0010ffff][\w\x80-\U0010ffff]* )? \$ ) .*? (?: (?P=tag) | \Z )"
_NAME = rf"[A-Za-z_\x80-\U0010ffff] {_IN_NAME}*+"
_COMMAND = re.compile(r"^[ \t]*\\\S", re.MULTILINE)
_TOKEN = re.compile(
    rf"""
      (?P<line> --[^\n\r]* )
    | (?P<comment> /\*)
    | (?P<escaped> (?<!{_IN_NAME}) [eE] {_ESCAPED} (?: {_GAP} {_ESCAPED} )* )
    | (?P<plain> {_PLAIN} (?: {_GAP} {_PLAIN} )* )
    | {_QUOTED_NAME}
    | (?<!{_IN_NAME}) {_DOLLARS}
    | (?P<command> ^[ \t]*\\\S+ )
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_PIECES = {
    "escaped": re.compile(rf"( [eE]? {_ESCAPED} ) | --[^\n\r]*", re.VERBOSE | re.DOTALL),
    "plain": re.compile(rf"( {_PLAIN} ) | --[^\n\r]*", re.VERBOSE | re.DOTALL),
}
# Where no comment is left and a line feed is all there is between the pieces of a literal. What is frequent stands first.
_WORD = re.compile(
    rf"""
      {_SPACE}++
    | ( {_NAME} (?! ['"&] )
      | [(),;]
      | [eE] {_ESCAPED} (?: \n {_ESCAPED} )*
      | (?: [bBnNxX] | [uU]& )? {_PLAIN} (?: \n {_PLAIN} )*
      | (?: [uU]& )? {_QUOTED_NAME}
      | {_DOLLARS}
      | {_NAME}
      | \.?[0-9] [\w.\x80-\U0010ffff]*+
      | \$[0-9]++
      | :: | := | \.\.
      | [-+*/<>=]*+ [~!@#^&|`?%] [-+*/<>=~!@#^&|`?%]*+
      | [-+*/<>=]* [*/<>=]
      | .
      )
    """,
    re.VERBOSE | re.DOTALL,
)
_CONTINUED = re.compile(rf"'[ \t\f\v]*+[\n\r]{_SPACE}*+'")
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_STDIN = re.compile(r"\bstdin\b", re.IGNORECASE)
_COPY_FROM_STDIN = re.compile(r"(?:\A|;)\s*copy\b[^;]*\bfrom\s+stdin\b", re.IGNORECASE)
_BLANK = re.compile(r"[\s;]*")


def psql_command(text: str) -> tuple[str, int] | None:
    """Find the first line that is a command of psql: one that begins with a backslash, which PostgreSQL takes only inside of tokens.

    Args:
        text: SQL.

    Returns:
        The command and its line, counted from 1; None where there is none.
    """
    # Nearly all texts end here, and some are large.
    if "\\" not in text or _COMMAND.search(text) is None:
        return None
    for token, _ in _tokens(text):
        if token["command"] is not None:
            return token["command"].strip(), text.count("\n", 0, token.end()) + 1
    return None


def copies_from_stdin(text: str) -> bool:
    """Tell whether a statement is ``COPY … FROM STDIN``: sent without data, it waits for them for ever."""
    return _STDIN.search(text) is not None and _COPY_FROM_STDIN.search(_bare(text)) is not None


def is_blank(text: str) -> bool:
    """Tell whether there is no statement at all, but perhaps comments."""
    beginning = _BLANK.match(text)
    rest = beginning.end() if beginning is not None else 0
    return rest == len(text) or (text.startswith(("--", "/*"), rest) and _BLANK.fullmatch(_bare(text)) is not None)


def line_comments(text: str) -> list[tuple[int, str]]:
    """Return each comment that begins with two dashes and ends with its line, and how many characters come before it."""
    if "--" not in text:
        return []
    return [(token.start(), token["line"]) for token, _ in _tokens(text) if token["line"] is not None]


def normal_form(text: str) -> str:
    """Return the text's tokens in their order: two texts have one normal form when the server's lexer reads the same in both.

    Comments and white space between tokens are no part of it. Literals, dollar quotes and quoted names are, byte for byte.

    Args:
        text: SQL with line feeds for line ends; a byte order mark before it is passed over.
    """
    text = text.removeprefix("\ufeff")
    if "--" in text or "/*" in text or _CONTINUED.search(text) is not None:
        text = _uncommented(text)
    return "\0".join([token for token, _ in _WORD.findall(text) if token])


def _uncommented(text: str) -> str:
    """Return the text with a space for each comment, and with a line feed between the pieces of a literal."""
    parts: list[str] = []
    position = 0
    for token, end in _tokens(text):
        kind = token.lastgroup or ""
        parts.append(text[position : token.start()])
        if token["line"] or token["comment"]:
            parts.append(" ")
        elif kind in _PIECES:
            parts.append("\n".join(filter(None, _PIECES[kind].findall(token[0]))))
        else:
            parts.append(token[0])
        position = end
    return "".join([*parts, text[position:]])


def _bare(text: str) -> str:
    """Return the text without its comments, and with an empty literal for each literal and each quoted name."""
    parts: list[str] = []
    position = 0
    for token, end in _tokens(text):
        parts += text[position : token.start()], " " if token["comment"] or token["line"] else "''"
        position = end
    return "".join([*parts, text[position:]])


def _tokens(text: str) -> Iterator[tuple[re.Match[str], int]]:
    """Yield each literal, quoted name, comment and psql command, with where it ends."""
    position = 0
    while (token := _TOKEN.search(text, position)) is not None:
        position = _end_of_comment(text, token.end()) if token["comment"] else token.end()
        yield token, position


def _end_of_comment(text: str, position: int) -> int:
    # Comments nest in PostgreSQL.
    depth = 1
    while depth and (edge := _COMMENT_EDGE.search(text, position)) is not None:
        depth += 1 if edge[0] == "/*" else -1
        position = edge.end()
    return len(text) if depth else position
