"""Names and pieces of SQL that people give to a generator: checked once, so that whatever is written with them can be read. Pure."""

from __future__ import annotations

import keyword
import re

from roost.errors import InvalidSchemaName, UnfitName
from roost.postgres import PSQL_ONLY, has_parser, parse_sql, psql_command, quote_identifier
from roost.scaffold._reserved_words import RESERVED_WORDS
from roost.schema import derive_schema_name

MAX_NAME_BYTES = 63
"""PostgreSQL cuts a name behind these."""
MAX_STEP_CHARACTERS = 100

_NAME = re.compile(r"[^\W\d][\w$]*")
_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")
_TYPE = re.compile(
    r"""
    (?:[^\W\d][\w$]*\.)?[^\W\d][\w$]*(?:[ ][a-z]+)*   # its name, which may have a schema, or several words
    (?:[ ]?\([ ]?\d+(?:[ ]?,[ ]?-?\d+)?[ ]?\))?       # its size
    (?:[ ]with(?:out)?[ ]time[ ]zone)?
    (?:\[\d*\])*                                      # whether it is an array
    """,
    re.VERBOSE,
)
_STRING = re.compile(r"'(?:[^']|'')*'")


def sql_name(name: str, *, what: str) -> str:
    """Return a name as SQL takes it: in quotes only where it needs them.

    Args:
        name: One name, as the catalogue has it: upper case letters are kept.
        what: Of what, for the error.

    Raises:
        UnfitName: It is something else than letters, digits, ``_`` and ``$``, begins with a digit, or is too long for PostgreSQL.
    """
    if not name:
        raise UnfitName(what=what, name=name, reason="it is empty")
    if _NAME.fullmatch(name) is None:
        raise UnfitName(what=what, name=name, reason="it is made of letters, digits and _, and begins with no digit")
    length = len(name.encode())
    if length > MAX_NAME_BYTES:
        raise UnfitName(what=what, name=name, reason=f"it has {length} bytes, and PostgreSQL cuts names at {MAX_NAME_BYTES}")
    return name if _PLAIN.fullmatch(name) and name not in RESERVED_WORDS else quote_identifier(name)


def qualified_name(name: str, *, what: str) -> str:
    """Return a name that may have a schema in front, ``schema.name``, as SQL takes it; errors as of `sql_name`."""
    parts = name.split(".")
    if len(parts) > 2:  # noqa: PLR2004 -- a schema and a name
        raise UnfitName(what=what, name=name, reason="it is a name, or a schema and a name with one dot between")
    return ".".join(sql_name(part, what=what) for part in parts)


def joined_name(*parts: str, ending: str) -> str:
    """Return the name of an index or a constraint, as PostgreSQL would choose it, cut where it would be too long.

    Args:
        *parts: The table, without its schema, and the columns.
        ending: Such as ``"idx"`` or ``"fkey"``.
    """
    whole = "_".join(parts).encode()[: MAX_NAME_BYTES - len(ending) - 1].decode(errors="ignore")
    return f"{whole}_{ending}"


def bare_name(name: str) -> str:
    """Return a name without its schema."""
    return name.rpartition(".")[2]


def sql_type(text: str) -> str:
    """Return the name of a type as SQL takes it.

    Raises:
        UnfitName: It doesn't look like one.
    """
    words = " ".join(text.split())
    if _TYPE.fullmatch(words) is None or not _is_selectable(f"CAST(NULL AS {words})"):
        raise UnfitName(what="type", name=text, reason="it is no type, such as text, numeric(12,2), timestamptz or bigint[]")
    return words


def sql_expression(text: str, *, what: str) -> str:
    """Return an expression, if it is one: what would be several statements, or a comment that swallows what follows, is refused.

    Raises:
        UnfitName: It is none.
    """
    expression = text.strip()
    if not expression:
        raise UnfitName(what=what, name=text, reason="it is empty")
    if not expression.isprintable():
        raise UnfitName(what=what, name=text, reason="it holds what can't be printed; write it on one line")
    if psql_command(expression) is not None:
        raise UnfitName(what=what, name=text, reason=f"it holds a backslash command; {PSQL_ONLY}")
    bare = _STRING.sub("", expression)
    if any(sign in bare for sign in ("'", ";", "--", "/*")) or not _is_balanced(bare):
        raise UnfitName(what=what, name=text, reason="it is no single expression of SQL, with its quotes and brackets closed")
    if not _is_selectable(f"({expression})"):
        raise UnfitName(what=what, name=text, reason="PostgreSQL's grammar takes it for no expression")
    return expression


def is_constant(expression: str) -> bool:
    """Tell whether a default is the same for all rows, so that PostgreSQL need not write the table anew to add it."""
    return re.fullmatch(_CONSTANT, expression, re.IGNORECASE | re.VERBOSE) is not None


def as_literal(constant: str) -> str:
    """Return a constant so that a linter too sees one: to squawk a number with a sign is an expression."""
    return re.sub(r"^-[\d.]+", r"'\g<0>'", constant)


_CONSTANT = r"""
    (?: -?\d+(?:\.\d+)? | '(?:[^']|'')*' | true | false | now\(\) | current_timestamp | array\[\] )
    (?: ::[\w .]+(?:\[\])* )?
"""


def step_name(name: str) -> str:
    """Return the name of a step as files and ids have it: lower case, with ``_`` for each run of other signs.

    Raises:
        UnfitName: Nothing is left of it, or it is long.
    """
    if not name.isprintable() or set(name) & set("/\\"):
        raise UnfitName(what="step", name=name, reason="it is made of letters, digits and _; say the folder with --directory")
    found = re.sub(r"[\W_]+", "_", name.lower()).strip("_")
    if not found:
        raise UnfitName(what="step", name=name, reason="it has no letter or digit")
    if len(found) > MAX_STEP_CHARACTERS:
        raise UnfitName(what="step", name=name, reason=f"it has {len(found)} characters, and {MAX_STEP_CHARACTERS} are enough")
    return found


def module_name(name: str, *, what: str) -> str:
    """Return the name of the Python module for a plugin, a project or a step.

    Args:
        name: Such as ``"@org/plugin-memory"``, whose module is ``memory``.
        what: Of what, for the error.

    Raises:
        UnfitName: No module can be called so.
    """
    if not name.isprintable() or not name.strip():
        raise UnfitName(what=what, name=name, reason="it is empty, or holds what can't be printed")
    try:
        found = derive_schema_name(name)
    except InvalidSchemaName as error:
        raise UnfitName(what=what, name=name, reason=error.reason) from error
    if not found.isidentifier() or keyword.iskeyword(found):
        raise UnfitName(what=what, name=name, reason=f"{found} can't be the name of a Python module")
    return found


def _is_selectable(expression: str) -> bool:
    """Tell whether the grammar takes something for an expression; without the extra `sql`, whatever looks like one is."""
    if not has_parser():
        return True
    parsed = parse_sql(f"SELECT {expression}")
    return parsed is not None and [statement.kind for statement in parsed] == ["select_stmt"]


def _is_balanced(text: str) -> bool:
    depth = 0
    for sign in text:
        depth += (sign in "([") - (sign in ")]")
        if depth < 0:
            return False
    return depth == 0
