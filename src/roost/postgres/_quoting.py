"""Quotes names and texts for SQL, the one place where that is done. Pure."""

from __future__ import annotations

from hashlib import sha256

from roost.errors import InvalidIdentifier, InvalidText

MAX_IDENTIFIER_BYTES = 63


def quote_identifier(name: str) -> str:
    """Quote a name, so that the server takes it as it is.

    Args:
        name: One name, not a dotted path.

    Returns:
        The name in double quotes.

    Raises:
        InvalidIdentifier: It is empty, holds a NUL byte, has no UTF-8 form, or has more than 63 bytes: the server would cut it, and two
            names could become one.
    """
    if not name:
        raise InvalidIdentifier(name=name, reason="it is empty")
    if "\0" in name:
        raise InvalidIdentifier(name=name, reason="it holds a NUL byte")
    try:
        length = len(name.encode())
    except UnicodeEncodeError as error:
        raise InvalidIdentifier(name=name, reason="it has no UTF-8 form") from error
    if length > MAX_IDENTIFIER_BYTES:
        raise InvalidIdentifier(name=name, reason=f"it has {length} bytes, and PostgreSQL cuts names at {MAX_IDENTIFIER_BYTES}")
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """Quote a text as a literal that means the same whatever ``standard_conforming_strings`` says.

    Raises:
        InvalidText: It holds a NUL byte or has no UTF-8 form.
    """
    _check(text)
    quoted = "'" + text.replace("'", "''") + "'"
    return quoted if "\\" not in text else " E" + quoted.replace("\\", "\\\\")


def quote_nullable(text: str | None) -> str:
    """Quote a text as `quote_literal` does, None as NULL; errors as of that."""
    return "NULL" if text is None else quote_literal(text)


def dollar_quote(text: str) -> str:
    """Quote a text between dollar tags that don't occur in it.

    Raises:
        InvalidText: It holds a NUL byte or has no UTF-8 form.
    """
    _check(text)
    tag = "$q" + sha256(text.encode()).hexdigest()[:8] + "$"
    # Without its last sign too: text that ends in "$q1" and the tag "$q1$" would end one sign early.
    while tag[:-1] in text:
        tag = "$q" + sha256(tag.encode()).hexdigest()[:8] + "$"
    return f"{tag}{text}{tag}"


def _check(text: str) -> None:
    if "\0" in text:
        raise InvalidText(reason="it holds a NUL byte")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidText(reason="it has no UTF-8 form") from error
