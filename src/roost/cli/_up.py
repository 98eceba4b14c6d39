"""``roost up``: migrate."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from roost.cli._exit_codes import ExitCode
from roost.cli._options import NOTHING_SPECIAL, Common, RuntimeName
from roost.cli._output import Output
from roost.cli._perform import perform


def up(
    runtime: RuntimeName = None,
    *,
    dry_run: Annotated[bool, Parameter(negative=(), help="Write nothing; show the steps that would be run.")] = False,
    allow_data_loss: Annotated[
        tuple[str, ...],
        Parameter(negative=(), help="What declared schemas may lose, such as agents.username or agents; may be given again."),
    ] = (),
    common: Common = NOTHING_SPECIAL,
) -> int:
    """Run every pending migration of the runtime's plugins, under the lock."""

    async def body(output: Output) -> int:
        from roost.cli._changes import tell_blocked, tell_changes  # noqa: PLC0415 -- `roost --help` needs no migrations
        from roost.cli._documents import report_document  # noqa: PLC0415 -- as above
        from roost.cli._interruption import explained_interruption  # noqa: PLC0415 -- as above
        from roost.cli._tables import outcome, steps_table  # noqa: PLC0415 -- as above
        from roost.cli._workplace import workplace  # noqa: PLC0415 -- as above

        async with workplace(runtime, database_url=common.database_url) as place, explained_interruption(place, output):
            report = await place.orchestrator.run_all_migrations(
                dry_run=dry_run, refuse_ahead=True, prove_files=True, allow_data_loss=allow_data_loss
            )
        document = report_document(report, dry_run=dry_run)
        shown = steps_table(report, title="Would run") if dry_run and report.steps else outcome(report)
        output.result(document, shown)
        if dry_run:
            tell_changes(output, report.changed)
            tell_blocked(output, report.blocked)
        return ExitCode.FINE

    return perform("up", body, json=common.json, traceback=common.traceback, log_format=common.log_format)
