"""``roost plan``: show what ``roost up`` would do."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from roost.cli._exit_codes import ExitCode
from roost.cli._options import NOTHING_SPECIAL, Common, RuntimeName
from roost.cli._output import Output
from roost.cli._perform import perform


def plan(
    runtime: RuntimeName = None,
    *,
    sql: Annotated[bool, Parameter(negative=(), help="Show the SQL of each step.")] = False,
    common: Common = NOTHING_SPECIAL,
) -> int:
    """Show what `roost up` would run, and write nothing; exit code 3 when there is something."""

    async def body(output: Output) -> int:
        from roost.cli._changes import tell_blocked, tell_changes  # noqa: PLC0415 -- `roost --help` needs no migrations
        from roost.cli._documents import plan_document  # noqa: PLC0415 -- as above
        from roost.cli._tables import NOTHING_TO_DO, steps_sql, steps_table  # noqa: PLC0415 -- as above
        from roost.cli._workplace import workplace  # noqa: PLC0415 -- as above

        async with workplace(runtime, database_url=common.database_url) as place:
            report = await place.orchestrator.run_all_migrations(dry_run=True, refuse_ahead=True)
            pending = bool(report.steps) or await place.orchestrator.has_pending_migrations()
        document = plan_document(report, pending=pending)
        if report.steps:
            output.result(document, steps_sql(report) if sql else steps_table(report, title="Pending"))
        elif report.blocked:
            output.result(document, "what is pending would lose data: roost up refuses it")
        elif pending:
            output.result(document, "no steps to run, but a new version to record: roost up does it")
        else:
            output.result(document, NOTHING_TO_DO)
        tell_changes(output, report.changed)
        tell_blocked(output, report.blocked)
        return ExitCode.PENDING if pending else ExitCode.FINE

    return perform("plan", body, json=common.json, traceback=common.traceback, log_format=common.log_format)
