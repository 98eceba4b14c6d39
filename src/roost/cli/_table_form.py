"""How every table looks."""

from __future__ import annotations

from rich import box
from rich.table import Table

NONE = "-"
"""Stands where there is nothing to say."""


def plain_table(title: str, *columns: str) -> Table:
    """Return a table without rows."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
