"""``roost history``: show what was run."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from roost.cli._exit_codes import ExitCode
from roost.cli._options import NOTHING_SPECIAL, Common, RuntimeName
from roost.cli._output import Output
from roost.cli._perform import perform


def history(
    runtime: RuntimeName = None,
    *,
    plugin: Annotated[str | None, Parameter(help="Only this plugin's.")] = None,
    limit: Annotated[int | None, Parameter(validator=Number(gte=1), help="At most so many; all by default.")] = None,
    common: Common = NOTHING_SPECIAL,
) -> int:
    """Show every attempt at a migration step, newest first."""

    async def body(output: Output) -> int:
        from roost.cli._documents import history_document  # noqa: PLC0415 -- `roost --help` needs no migrations
        from roost.cli._services import refuse_unknown_plugin  # noqa: PLC0415 -- as above
        from roost.cli._tables import history_table  # noqa: PLC0415 -- as above
        from roost.cli._workplace import workplace  # noqa: PLC0415 -- as above

        async with workplace(runtime, database_url=common.database_url) as place:
            if plugin is not None:
                refuse_unknown_plugin(plugin, place.orchestrator.get_migration_services())
            records = await place.orchestrator.get_migration_history(plugin)
        shown = records[:limit]
        output.result(
            history_document(shown, total=len(records)),
            history_table(shown, total=len(records)) if records else "nothing was run yet",
        )
        return ExitCode.FINE

    return perform("history", body, json=common.json, traceback=common.traceback, log_format=common.log_format)
