"""``roost plugins``: what a runtime is put together from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from roost.cli._exit_codes import ExitCode
from roost.cli._options import IN_WORDS, Printing, RuntimeName
from roost.cli._output import Output
from roost.cli._perform import perform
from roost.cli._project import read_project

if TYPE_CHECKING:
    from roost.cli._plugin_rows import PluginRow


class PluginsDocument(TypedDict):
    """What a runtime is put together from.

    Attributes:
        plugins: In the order in which the runtime was given them.
    """

    plugins: list[PluginRow]


def plugins(runtime: RuntimeName = None, *, printing: Printing = IN_WORDS) -> int:
    """Show the runtime's plugins: versions, what each depends on, its services and its migrations. Nothing is started or connected to."""

    async def body(output: Output) -> int:
        from roost.cli._plugin_rows import plugin_rows, plugins_table  # noqa: PLC0415 -- `roost --help` needs no tables
        from roost.cli._workplace import named_runtime  # noqa: PLC0415 -- as above

        named = named_runtime(runtime, project=read_project(Path.cwd()))
        rows = plugin_rows(named.plugins, named.graph())
        output.result(PluginsDocument(plugins=rows), plugins_table(rows) if rows else "the runtime has no plugins")
        return ExitCode.FINE

    return perform("plugins", body, json=printing.json, traceback=printing.traceback, log_format=printing.log_format)
