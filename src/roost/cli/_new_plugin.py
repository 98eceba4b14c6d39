"""``roost new plugin``: write a package with a plugin, its service, its migrations and their tests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, TypedDict

from cyclopts import Parameter

from roost.cli._exit_codes import ExitCode
from roost.cli._new_place import shown
from roost.cli._options import IN_WORDS, Printing
from roost.cli._output import Output
from roost.cli._perform import perform

HERE = Path()


class NewPluginDocument(TypedDict):
    """A plugin that was written, by `roost new plugin`.

    Attributes:
        plugin: Its name.
        files: What was written.
    """

    plugin: str
    files: list[str]


def plugin(
    name: Annotated[str, Parameter(help="The plugin's name, such as notes or @org/plugin-notes.")],
    *,
    into: Annotated[str, Parameter(help="The package that it goes into, dotted.")] = "",
    directory: Annotated[Path, Parameter(help="Where that package and the folder tests are; by default the current directory.")] = HERE,
    printing: Printing = IN_WORDS,
) -> int:
    """Write a plugin: a package with a service and SQL migrations, and its tests."""

    async def body(output: Output) -> int:
        from roost.cli._new_project import write_package  # noqa: PLC0415 -- `roost --help` needs no generators
        from roost.scaffold import CONFTEST, plugin_files  # noqa: PLC0415 -- as above

        there = os.path.exists(directory / CONFTEST)  # noqa: ASYNC240, PTH110 -- no error where none may look: writing tells that
        made = plugin_files(name, package=into, conftest=not there)
        paths = write_package(directory, made)
        document = NewPluginDocument(plugin=name, files=[str(path) for path in paths])
        output.result(document, "\n".join(f"wrote {shown(path)}" for path in paths))
        output.note(
            f"next: from {made.module} import plugin as {made.module.rpartition('.')[2]}, and add it to the plugins of your runtime"
        )
        return ExitCode.FINE

    return perform("new", body, json=printing.json, traceback=printing.traceback, log_format=printing.log_format)
