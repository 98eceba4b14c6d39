"""Looks again and again where migrations stand: redrawn on a terminal, one look after another elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

from rich.console import Group
from rich.live import Live
from rich.text import Text

from roost.cli._documents import status_line
from roost.cli._exit_codes import ExitCode
from roost.cli._output import error_document, told
from roost.cli._status_look import look
from roost.errors import DatabaseError
from roost.postgres import is_connection_lost

if TYPE_CHECKING:
    from rich.console import RenderableType

    from roost.cli._documents import StatusDocument
    from roost.cli._output import ErrorDocument, Output
    from roost.migrations import MigrationOrchestrator


Show: TypeAlias = "Callable[[StatusDocument | ErrorDocument, Sequence[RenderableType]], None]"
"""Shows one look: as a document, or as what is drawn for people."""


async def watch_status(orchestrator: MigrationOrchestrator, output: Output, *, every: float) -> int:
    """Show where migrations stand until a signal, which is this command's regular end.

    A database that can't be asked ends it only at the first look; later it is told, and asked again: a server may restart meanwhile.

    Args:
        orchestrator: What to look at.
        output: Where to show it.
        every: Seconds between two looks.

    Returns:
        The exit code after a signal.

    Raises:
        RoostError: As the orchestrator raises it.
    """
    try:
        with ExitStack() as showing:
            show = _shower(output, showing)
            seen = await look(orchestrator)
            show(seen.document, seen.tables)
            while True:
                await asyncio.sleep(every)
                await _look_again(orchestrator, show)
    except asyncio.CancelledError:
        return ExitCode.FINE


async def _look_again(orchestrator: MigrationOrchestrator, show: Show) -> None:
    try:
        seen = await look(orchestrator)
    except Exception as error:
        if not isinstance(error, DatabaseError) and not is_connection_lost(error):
            raise
        show(error_document(error), [Text(f"error: {told(error)[0]}", style="red")])
    else:
        show(seen.document, seen.tables)


def _shower(output: Output, showing: ExitStack) -> Show:
    """Return what shows one look: a line of JSON, a picture in place of the last one, or a picture below the last one."""
    if output.json:
        return lambda seen, _: output.line(status_line(seen, at=datetime.now(UTC)))
    if not output.console.is_terminal:
        return lambda _, tables: output.console.print(_moment(), *tables, "", sep="\n")
    live = showing.enter_context(Live(console=output.console, auto_refresh=False))
    return lambda _, tables: live.update(Group(*tables, _moment()), refresh=True)


def _moment() -> Text:
    return Text(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC", style="dim")
