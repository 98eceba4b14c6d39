"""How every table looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

NONE = "-"
"""Stands where there is nothing to say."""
_WIDEST = 10_000  # a table is measured as if nothing limited it


class _CloseTable(Table):
    """Moves its columns closer together before it breaks what stands in them."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        self.padding = (0, 1)
        if self.__rich_measure__(console, options.update(max_width=_WIDEST)).maximum > options.max_width:
            self.padding = (0, 1, 0, 0)
        yield from super().__rich_console__(console, options)


def plain_table(title: str, *columns: str) -> Table:
    """Return a table without rows."""
    table = _CloseTable(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
