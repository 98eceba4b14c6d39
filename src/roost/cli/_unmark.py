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
        from dataclasses import asdict  # noqa: PLC0415 -- `roost --help` needs none of it

        from roost.cli._claims import confirm, unmark_text  # noqa: PLC0415 -- as above
        from roost.cli._progress import shown_progress  # noqa: PLC0415 -- as above
        from roost.cli._workplace import workplace  # noqa: PLC0415 -- as above

        async with workplace(runtime, database_url=common.database_url) as place:
            unmarked = await place.orchestrator.unmark(plugin, step, dry_run=True)
            if not dry_run:
                confirm(output, command="unmark", planned=unmarked, text=unmark_text(unmarked, is_written=False), yes=yes)
                with shown_progress(place.runtime, output):
                    unmarked = await place.orchestrator.unmark(plugin, step)
        output.result({"dry_run": dry_run, **asdict(unmarked)}, unmark_text(unmarked, is_written=not dry_run))
        return ExitCode.FINE

    return perform("unmark", body, json=common.json, traceback=common.traceback)
