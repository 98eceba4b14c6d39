"""Takes Google docstrings apart: what is said of a class, and of each of its attributes."""

from __future__ import annotations

import inspect
import re

_HEADING = re.compile(r"^(Args|Attributes|Raises|Returns|Yields):\n", re.MULTILINE)
_ATTRIBUTE = re.compile(r"^    (\w+): ", re.MULTILINE)


def described(kind: type) -> str:
    """Return what a class's own docstring says of it, paragraph by paragraph, in Markdown."""
    return plain(_HEADING.split(inspect.cleandoc(kind.__doc__ or ""))[0])


def described_attributes(kind: type) -> dict[str, str]:
    """Return what the docstrings of a class and of those it extends say of each attribute."""
    told: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        parts = _HEADING.split(inspect.cleandoc(vars(base).get("__doc__") or ""))
        for heading, section in zip(parts[1::2], parts[2::2], strict=True):
            if heading == "Attributes":
                names = _ATTRIBUTE.split(section.split("\n\n")[0])
                told |= {name: plain(text) for name, text in zip(names[1::2], names[2::2], strict=True)}
    return told


def plain(text: str) -> str:
    """Return a docstring's text as Markdown: code between single marks, a paragraph on one line."""
    paragraphs = re.split(r"\n\s*\n", text.strip())
    return "\n\n".join(re.sub(r"\s*\n\s*", " ", paragraph) for paragraph in paragraphs).replace("``", "`")
