"""``roost diff``: show how the database differs from what plugins declare as their schemas."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from roost.cli._exit_codes import ExitCode
from roost.cli._options import NOTHING_SPECIAL, Common, RuntimeName
from roost.cli._output import Output
from roost.cli._perform import perform


def diff(
    runtime: RuntimeName = None,
    *,
    plugin: Annotated[str | None, Parameter(help="Only this plugin's.")] = None,
    common: Common = NOTHING_SPECIAL,
) -> int:
    """Show the SQL that would make the database what plugins declare as their schemas, each statement judged; exit code 3 if there is any.

    Unlike `plan` it compares always, also what was brought about already and was changed by hand since. It writes nothing.
    """

    async def body(output: Output) -> int:
        from roost.cli._declared import compared  # noqa: PLC0415 -- `roost --help` needs no migrations
        from roost.cli._difference_text import difference_document, difference_text  # noqa: PLC0415 -- as above
        from roost.cli._services import refuse_unknown_plugin  # noqa: PLC0415 -- as above
        from roost.cli._workplace import workplace  # noqa: PLC0415 -- as above

        async with workplace(runtime, database_url=common.database_url) as place:
            if plugin is not None:
                refuse_unknown_plugin(plugin, place.orchestrator.get_migration_services())
            checks = await compared(place.runtime, place.orchestrator, None)
        checks = tuple(check for check in checks if plugin in (None, check.plugin))
        output.result(difference_document(checks), difference_text(checks))
        for check in checks:
            for one in check.left_alone:
                output.note(f"left alone: {one} in schema {check.schema}, which no plugin declares")
        return ExitCode.PENDING if any(check.changes for check in checks) else ExitCode.FINE

    return perform("diff", body, json=common.json, traceback=common.traceback, log_format=common.log_format)
