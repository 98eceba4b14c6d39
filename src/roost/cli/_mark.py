"""``roost mark``: say that one step is in the database, though no run took it."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from roost.cli._exit_codes import ExitCode
from roost.cli._options import NOTHING_SPECIAL, Common, RuntimeName
from roost.cli._output import Output
from roost.cli._perform import perform


def mark(
    plugin: Annotated[str, Parameter(help="The plugin's name.")],
    step: Annotated[str, Parameter(help="The step's id: the next one that is pending.")],
    runtime: RuntimeName = None,
    *,
    unchecked: Annotated[bool, Parameter(negative=(), help="Do not look whether the database has what the step makes.")] = False,
    dry_run: Annotated[bool, Parameter(negative=(), help="Write nothing; show what would be written.")] = False,
    yes: Annotated[bool, Parameter(negative=(), help="Do not ask.")] = False,
    common: Common = NOTHING_SPECIAL,
) -> int:
    """Write down that one step is in the database already, without running it.

    What its SQL makes is looked for first. It asks before it writes.
    """

    async def body(output: Output) -> int:
        from functools import partial  # noqa: PLC0415 -- `roost --help` needs none of it

        from roost.cli._claims import claim_text, write_down  # noqa: PLC0415 -- as above
        from roost.cli._workplace import workplace  # noqa: PLC0415 -- as above

        async with workplace(runtime, database_url=common.database_url) as place:
            write = partial(place.orchestrator.mark, plugin, step, check=not unchecked)
            await write_down(output, place.runtime, command="mark", write=write, text=claim_text, dry_run=dry_run, yes=yes)
        return ExitCode.FINE

    return perform("mark", body, json=common.json, traceback=common.traceback, log_format=common.log_format)
