"""``roost down``: undo migrations of one plugin."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from roost.cli._exit_codes import ExitCode
from roost.cli._options import NOTHING_SPECIAL, Common, RuntimeName
from roost.cli._output import Output
from roost.cli._perform import perform
from roost.errors import BadUsage, RollbackUnconfirmed


def down(  # noqa: PLR0913 -- its parameters are the command's options
    runtime: RuntimeName = None,
    *,
    to: Annotated[str | None, Parameter(help="Undo what lies above this version.")] = None,
    steps: Annotated[int | None, Parameter(validator=Number(gte=1), help="Undo so many steps.")] = None,
    run: Annotated[int | None, Parameter(validator=Number(gte=1), help="Undo what the run of this number applied.")] = None,
    everything: Annotated[bool, Parameter(name="--all", negative=(), help="Undo all of the plugin's steps.")] = False,
    plugin: Annotated[str | None, Parameter(help="Whose steps; needed where several plugins have some.")] = None,
    dry_run: Annotated[bool, Parameter(negative=(), help="Undo nothing; show the steps that would be undone.")] = False,
    sql: Annotated[bool, Parameter(negative=(), help="With --dry-run: show the SQL of each step.")] = False,
    skip_irreversible: Annotated[bool, Parameter(negative=(), help="Leave steps without a way back in place instead of refusing.")] = False,
    yes: Annotated[bool, Parameter(negative=(), help="Do not ask.")] = False,
    common: Common = NOTHING_SPECIAL,
) -> int:
    """Undo steps of one plugin, newest first. It wants exactly one of --to, --steps, --run and --all, and asks before it does it."""

    async def body(output: Output) -> int:
        from roost.cli._asking import ask, is_yes  # noqa: PLC0415 -- `roost --help` needs none of it
        from roost.cli._documents import report_document  # noqa: PLC0415 -- as above
        from roost.cli._interruption import explained_interruption  # noqa: PLC0415 -- as above
        from roost.cli._services import service_to_undo  # noqa: PLC0415 -- as above
        from roost.cli._tables import counted_steps, steps_sql, steps_table  # noqa: PLC0415 -- as above
        from roost.cli._workplace import workplace  # noqa: PLC0415 -- as above

        _refuse_unclear(to=to, steps=steps, run=run, everything=everything)
        if sql and not dry_run:
            raise BadUsage(reason="--sql shows what --dry-run finds", remedy="say both, or neither")
        async with workplace(runtime, database_url=common.database_url) as place:
            service = service_to_undo(place.orchestrator.get_migration_services(), plugin=plugin)
            planned = await service.rollback(to, steps=steps, run=run, dry_run=True, skip_irreversible=skip_irreversible)
            if dry_run or not planned.steps:
                shown = steps_sql(planned) if sql else steps_table(planned, title="Would undo")
                is_any = planned.steps or planned.skipped
                output.result(report_document(planned, dry_run=dry_run), shown if is_any else "nothing to undo")
                return ExitCode.FINE
            if not yes:
                output.progress.print(steps_table(planned, title="To be undone"))
                answer = ask(f"Undo {counted_steps(planned)} of plugin {service.plugin_name}? [y/N] ")
                if not is_yes(answer):
                    raise RollbackUnconfirmed(
                        plugin=service.plugin_name,
                        steps=tuple(step.step for step in planned.steps),
                        asked=answer is not None,
                    )
            async with explained_interruption(place, output):
                report = await service.rollback(to, steps=steps, run=run, skip_irreversible=skip_irreversible)
        output.result(report_document(report, dry_run=False), f"{counted_steps(report)} undone in {report.duration:.2f} s")
        return ExitCode.FINE

    return perform("down", body, json=common.json, traceback=common.traceback, log_format=common.log_format)


def _refuse_unclear(*, to: str | None, steps: int | None, run: int | None, everything: bool) -> None:
    if sum(goal is not None for goal in (to, steps, run)) + everything != 1:
        raise BadUsage(
            reason="down wants exactly one of --to VERSION, --steps N, --run N and --all",
            remedy="roost down --steps 1 undoes the last step",
        )
