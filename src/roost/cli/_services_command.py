"""``roost services``: what a runtime is made of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from cyclopts import Parameter

from roost.cli._exit_codes import ExitCode
from roost.cli._options import IN_WORDS, Printing, RuntimeName
from roost.cli._output import Output
from roost.cli._perform import perform
from roost.cli._project import read_project

if TYPE_CHECKING:
    from roost.cli._drawings import ServiceRow
    from roost.runtime import SettingInUse


class ServicesDocument(TypedDict):
    """The services of a runtime, and what they need.

    Attributes:
        services: In their waves.
    """

    services: list[ServiceRow]


class SettingsDocument(TypedDict):
    """The settings that services ask for, by `--settings`.

    Attributes:
        settings: Each with its value, in which secrets are hidden, and its origin.
    """

    settings: list[SettingInUse]


def services(
    runtime: RuntimeName = None,
    *,
    graph: Annotated[
        Literal["text", "mermaid", "dot", "json"], Parameter(help="How to draw it: text, mermaid, dot (Graphviz) or json.")
    ] = "text",
    settings: Annotated[
        bool, Parameter(negative=(), help="Show instead each setting that a service asks for, and where its value comes from.")
    ] = False,
    printing: Printing = IN_WORDS,
) -> int:
    """Show the runtime's services in waves, and what the constructor of each needs. Nothing is constructed, started or connected to.

    A service starts when what it needs has started, its plugin's migrations are complete, and the plugins on which that depends are up.
    """

    async def body(output: Output) -> int:
        from roost.cli._drawings import DRAW, as_document  # noqa: PLC0415 -- `roost --help` needs no drawings
        from roost.cli._workplace import named_runtime  # noqa: PLC0415 -- as above

        named = named_runtime(runtime, project=read_project(Path.cwd()))
        if settings:
            from roost.cli._tables import settings_table  # noqa: PLC0415 -- as above

            found = named.explain_settings()
            output.result(SettingsDocument(settings=found), settings_table(found) if found else "no service asks for settings")
        else:
            nodes = named.graph()
            output.result(ServicesDocument(services=as_document(nodes)), *([] if output.json else [DRAW[graph](nodes)]))
        return ExitCode.FINE

    return perform("services", body, json=printing.json or graph == "json", traceback=printing.traceback, log_format=printing.log_format)
