"""``roost up``: migrate."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from roost.cli._exit_codes import ExitCode
from roost.cli._options import NOTHING_SPECIAL, Common, RuntimeName
from roost.cli._output import Output
from roost.cli._perform import perform
from roost.errors import BadUsage


def up(
    runtime: RuntimeName = None,
    *,
    to: Annotated[str | None, Parameter(help="Take no step above this version.")] = None,
    steps: Annotated[int | None, Parameter(validator=Number(gte=1), help="Take no more steps than so many.")] = None,
    plugin: Annotated[
        str | None,
        Parameter(help="Only this plugin's steps; --to and --steps need it where several plugins have some."),
    ] = None,
    dry_run: Annotated[bool, Parameter(negative=(), help="Write nothing; show the steps that would be run.")] = False,
    allow_data_loss: Annotated[
        tuple[str, ...],
        Parameter(negative=(), help="What declared schemas may lose, such as agents.username or agents; may be given again."),
    ] = (),
    common: Common = NOTHING_SPECIAL,
) -> int:
    """Run every pending migration of the runtime's plugins, under the lock; with --to, --steps or --plugin a part of one plugin's."""

    async def body(output: Output) -> int:
        from roost.cli._changes import tell_blocked, tell_changes  # noqa: PLC0415 -- `roost --help` needs no migrations
        from roost.cli._documents import report_document  # noqa: PLC0415 -- as above
        from roost.cli._interruption import explained_interruption  # noqa: PLC0415 -- as above
        from roost.cli._services import service_to_upgrade  # noqa: PLC0415 -- as above
        from roost.cli._tables import outcome, steps_table  # noqa: PLC0415 -- as above
        from roost.cli._workplace import workplace  # noqa: PLC0415 -- as above

        is_part = to is not None or steps is not None or plugin is not None
        if is_part and allow_data_loss:
            raise BadUsage(
                reason="--allow-data-loss is for declared schemas, which --to, --steps and --plugin leave out",
                remedy="bring them about by roost up with neither of the three",
            )
        async with workplace(runtime, database_url=common.database_url) as place, explained_interruption(place, output):
            if is_part:
                service = service_to_upgrade(place.orchestrator.get_migration_services(), plugin=plugin)
                report = await service.upgrade(to, steps=steps, dry_run=dry_run)
            else:
                report = await place.orchestrator.run_all_migrations(
                    dry_run=dry_run, refuse_ahead=True, prove_files=True, allow_data_loss=allow_data_loss
                )
        document = report_document(report, dry_run=dry_run)
        shown = steps_table(report, title="Would run") if dry_run and report.steps else outcome(report, is_part=is_part)
        output.result(document, shown)
        if dry_run:
            tell_changes(output, report.changed)
            tell_blocked(output, report.blocked)
        return ExitCode.FINE

    return perform("up", body, json=common.json, traceback=common.traceback, log_format=common.log_format)
