"""Texts that nobody sees by accident."""

from __future__ import annotations

import hmac
import re

HIDDEN = "**********"
_TELLING = re.compile(r"pass(word|wd|phrase)?$|secret|token|api_?key|private_?key|credential", re.IGNORECASE)
_PASSWORD_IN_URL = re.compile(r"(?<=://)([^\s/@:]*):[^\s/@]*(?=@)")


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
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)


def sounds_secret(name: str) -> bool:
    """Tell whether a field's name says that its value is for nobody's eyes, as ``password`` and ``api_key`` do."""
    return _TELLING.search(name) is not None


def without_passwords(text: str) -> str:
    """Return a text in which the passwords of URLs are hidden."""
    return _PASSWORD_IN_URL.sub(rf"\1:{HIDDEN}", text)
