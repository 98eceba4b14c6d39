"""``roost rehearse``: carry out what is pending, measure it, and roll it back."""

from __future__ import annotations

from traceback import format_exception
from typing import Annotated

from cyclopts import Parameter

from roost.cli._exit_codes import ExitCode
from roost.cli._options import NOTHING_SPECIAL, Common, RuntimeName
from roost.cli._output import Output
from roost.cli._perform import perform


def rehearse(
    runtime: RuntimeName = None,
    *,
    plugin: Annotated[str | None, Parameter(help="Only this plugin's steps.")] = None,
    allow_data_loss: Annotated[
        tuple[str, ...],
        Parameter(negative=(), help="What declared schemas may lose, such as agents.username or agents; may be given again."),
    ] = (),
    common: Common = NOTHING_SPECIAL,
) -> int:
    """Carry out what is pending in one transaction that is rolled back, and show what each step locks, rewrites and touches.

    It holds the locks of all steps to its end: name a copy of the database, or choose a quiet hour. Exit code 1 when a step fails, or
    when data would be lost.
    """

    async def body(output: Output) -> int:
        from roost.cli._changes import tell_blocked  # noqa: PLC0415 -- `roost --help` needs no migrations
        from roost.cli._documents import rehearsal_document  # noqa: PLC0415 -- as above
        from roost.cli._progress import shown_progress  # noqa: PLC0415 -- as above
        from roost.cli._rehearsal_table import rehearsal_notes, rehearsal_table  # noqa: PLC0415 -- as above
        from roost.cli._tables import NOTHING_TO_DO  # noqa: PLC0415 -- as above
        from roost.cli._workplace import workplace  # noqa: PLC0415 -- as above

        async with workplace(runtime, database_url=common.database_url) as place:
            with shown_progress(place.runtime, output):
                report = await place.orchestrator.rehearse(plugin, allow_data_loss=allow_data_loss)
        notes = rehearsal_notes(report) if report.steps or report.blocked else NOTHING_TO_DO
        tables = [rehearsal_table(report)] if report.steps else []
        output.result(rehearsal_document(report), *tables, *([notes] if notes else []))
        tell_blocked(output, report.blocked)
        for error in (step.error for step in report.steps if step.error is not None):
            if common.traceback:
                output.note("".join(format_exception(error)).rstrip())
            output.tell(error)
        return ExitCode.FINE if report.is_fine else ExitCode.FAILED

    return perform("rehearse", body, json=common.json, traceback=common.traceback, log_format=common.log_format)
