"""Fills in the templates of this floor. The one room that knows Jinja2, which it loads only when something is rendered."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from roost.errors import ScaffoldExtraMissing

if TYPE_CHECKING:
    from jinja2 import Environment


def render(template: str, /, **facts: object) -> str:
    """Fill in a template.

    Args:
        template: Its file below ``_templates``, without ``.jinja``.
        **facts: What it asks for.

    Raises:
        ScaffoldExtraMissing: Jinja2 is not installed.
    """
    return _environment().get_template(f"{template}.jinja").render(**facts)


@cache
def _environment() -> Environment:
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 -- only who writes files needs it
    except ImportError as error:
        raise ScaffoldExtraMissing(package="Jinja2") from error
    environment = Environment(  # noqa: S701 -- it writes SQL and Python, no HTML
        loader=PackageLoader("roost.scaffold", "_templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["python"] = python_literal
    environment.filters["trimmed"] = lambda text: text.strip("\n")
    return environment


def python_literal(text: str) -> str:
    """Return a text as Python writes it: SQL of several lines between three quotes, where that says the same."""
    if "\n" in text and "\\" not in text and '"""' not in text and text.isascii():
        lines = "\n".join(f"            {line}".rstrip() for line in text.split("\n"))
        return f'"""\n{lines}\n        """'
    quoted = repr(text)
    return quoted if '"' in text or not quoted.startswith("'") else f'"{quoted[1:-1]}"'
