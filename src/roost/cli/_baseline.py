"""``roost baseline``: say that a database is where a plugin's steps would bring it, though roost has not brought it there."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from roost.cli._exit_codes import ExitCode
from roost.cli._options import NOTHING_SPECIAL, Common, RuntimeName
from roost.cli._output import Output
from roost.cli._perform import perform


def baseline(
    plugin: Annotated[str, Parameter(help="The plugin's name.")],
    runtime: RuntimeName = None,
    *,
    to: Annotated[str, Parameter(help="The version at which the database is: one of the steps' own.")],
    unchecked: Annotated[bool, Parameter(negative=(), help="Do not look whether the database has what the steps make.")] = False,
    dry_run: Annotated[bool, Parameter(negative=(), help="Write nothing; show what would be written.")] = False,
    yes: Annotated[bool, Parameter(negative=(), help="Do not ask.")] = False,
    common: Common = NOTHING_SPECIAL,
) -> int:
    """Write down that a plugin's steps up to a version are in the database already. None is run; the next run goes on behind them.

    What the SQL of the steps makes is looked for first. It asks before it writes.
    """

    async def body(output: Output) -> int:
        from functools import partial  # noqa: PLC0415 -- `roost --help` needs none of it

        from roost.cli._claims import claim_text, write_down  # noqa: PLC0415 -- as above
        from roost.cli._workplace import workplace  # noqa: PLC0415 -- as above

        async with workplace(runtime, database_url=common.database_url) as place:
            write = partial(place.orchestrator.baseline, plugin, to, check=not unchecked)
            await write_down(output, place.runtime, command="baseline", write=write, text=claim_text, dry_run=dry_run, yes=yes)
        return ExitCode.FINE

    return perform("baseline", body, json=common.json, traceback=common.traceback, log_format=common.log_format)
