"""Texts that nobody sees by accident."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Iterable, Iterator

HIDDEN = "**********"
LEAST_SECRET = 4
"""A secret shorter than this is not looked for in texts: they would be full of it by chance."""

_TELLING = re.compile(
    r"pass(word|wd|phrase|code)s?|(^|_)pwd|secret|credential|(^|_)(auth_?)?token($|s$|_value)|(api|access|private|signing|encryption)_?key",
    re.IGNORECASE,
)
_IN_URL = re.compile(r"(?<=://)([^\s/@:'\"]*):\S*@")
_IN_QUERY = re.compile(r"(?i)\b((?:[a-z_]*(?:password|passwd|pwd|secret|token|api_?key))=)[^\s&'\"]+")


class Secret:
    """A text that shows itself only when it is asked to: in a log, an error, a repr or a report it is ``**********``.

    Args:
        text: What is to be kept.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({HIDDEN!r})"

    def __str__(self) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        mine, theirs = (text.encode("utf-8", "surrogatepass") for text in (self._text, other._text))
        return hmac.compare_digest(mine, theirs)

    def __hash__(self) -> int:
        return hash(self._text)


def sounds_secret(name: str) -> bool:
    """Tell whether a field's name says that its value is for nobody's eyes, as ``password`` and ``api_key`` do."""
    return _TELLING.search(name) is not None


def without_passwords(text: str) -> str:
    """Return a text in which the passwords of URLs and of connection strings are hidden.

    A password may hold what has a meaning in a URL, so all up to the last ``@`` is taken for it.
    """
    return _IN_QUERY.sub(rf"\1{HIDDEN}", _IN_URL.sub(rf"\1:{HIDDEN}@", text))


def without(secrets: Iterable[str], text: str) -> str:
    """Return a text without these secrets, as they are or as Python and JSON would quote them, and without passwords."""
    forms = {form for secret in secrets if len(secret) >= LEAST_SECRET for form in _forms(secret)}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, HIDDEN)
    return without_passwords(text)


def _forms(secret: str) -> Iterator[str]:
    yield secret
    yield repr(secret)[1:-1]
    yield json.dumps(secret)[1:-1]
