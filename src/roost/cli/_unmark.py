"""``roost unmark``: say that a step is not in the database, though the ledger has it."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from roost.cli._exit_codes import ExitCode
from roost.cli._options import NOTHING_SPECIAL, Common, RuntimeName
from roost.cli._output import Output
from roost.cli._perform import perform


def unmark(
    plugin: Annotated[str, Parameter(help="The plugin's name.")],
    step: Annotated[str, Parameter(help="The step's id: the last one that is applied.")],
    runtime: RuntimeName = None,
    *,
    dry_run: Annotated[bool, Parameter(negative=(), help="Write nothing; show what would be written.")] = False,
    yes: Annotated[bool, Parameter(negative=(), help="Do not ask.")] = False,
    common: Common = NOTHING_SPECIAL,
) -> int:
    """Take a plugin's last applied step out of the ledger, and leave in the database what it did there. The next run takes it anew.

    It asks before it writes. To undo what a step did there is ``roost down``.
    """

    async def body(output: Output) -> int:
        from functools import partial  # noqa: PLC0415 -- `roost --help` needs none of it

        from roost.cli._claims import unmark_text, write_down  # noqa: PLC0415 -- as above
        from roost.cli._workplace import workplace  # noqa: PLC0415 -- as above

        async with workplace(runtime, database_url=common.database_url) as place:
            write = partial(place.orchestrator.unmark, plugin, step)
            await write_down(output, place.runtime, command="unmark", write=write, text=unmark_text, dry_run=dry_run, yes=yes)
        return ExitCode.FINE

    return perform("unmark", body, json=common.json, traceback=common.traceback, log_format=common.log_format)
