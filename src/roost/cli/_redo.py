"""``roost redo``: undo a plugin's last steps and run them again, while they are being written."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from roost.cli._exit_codes import ExitCode
from roost.cli._options import NOTHING_SPECIAL, Common, RuntimeName
from roost.cli._output import Output
from roost.cli._perform import perform
from roost.errors import RollbackUnconfirmed


def redo(
    runtime: RuntimeName = None,
    *,
    steps: Annotated[int, Parameter(validator=Number(gte=1), help="How many steps, counted from the last; 1 by default.")] = 1,
    plugin: Annotated[str | None, Parameter(help="Whose steps; needed where several plugins have some.")] = None,
    dry_run: Annotated[bool, Parameter(negative=(), help="Undo nothing; show the steps that would be undone.")] = False,
    yes: Annotated[bool, Parameter(negative=(), help="Do not ask.")] = False,
    common: Common = NOTHING_SPECIAL,
) -> int:
    """Undo the last step of one plugin, and run what is pending of it: what a step of yours looks like once more. It asks first.

    What the step had put into the database is lost, as with down.
    """

    async def body(output: Output) -> int:
        from roost.cli._asking import ask, is_yes  # noqa: PLC0415 -- `roost --help` needs none of it
        from roost.cli._documents import RedoneDocument, report_document  # noqa: PLC0415 -- as above
        from roost.cli._interruption import explained_interruption  # noqa: PLC0415 -- as above
        from roost.cli._services import service_to_undo  # noqa: PLC0415 -- as above
        from roost.cli._tables import counted_steps, outcome, steps_table  # noqa: PLC0415 -- as above
        from roost.cli._workplace import workplace  # noqa: PLC0415 -- as above

        async with workplace(runtime, database_url=common.database_url) as place:
            services = place.orchestrator.get_migration_services()
            service = service_to_undo(services, plugin=plugin)
            planned = await service.rollback(steps=steps, dry_run=True)
            if dry_run:
                document = RedoneDocument(undone=report_document(planned, dry_run=True), run=None)
                output.result(document, steps_table(planned, title="Would undo, and run again"))
                return ExitCode.FINE
            if not yes:
                output.progress.print(steps_table(planned, title="To be undone, and run again"))
                answer = ask(f"Undo {counted_steps(planned)} of plugin {service.plugin_name} and run what is pending? [y/N] ")
                if not is_yes(answer):
                    names = tuple(step.step for step in planned.steps)
                    raise RollbackUnconfirmed(plugin=service.plugin_name, steps=names, asked=answer is not None)
            async with explained_interruption(place, output):
                undone = await service.rollback(steps=steps)
                run = await place.orchestrator.run_service(next(one for one in services if one.service_name == service.service_name))
        document = RedoneDocument(undone=report_document(undone, dry_run=False), run=report_document(run, dry_run=False))
        output.result(document, f"{counted_steps(undone)} undone, {outcome(run)}")
        return ExitCode.FINE

    return perform("redo", body, json=common.json, traceback=common.traceback, log_format=common.log_format)
