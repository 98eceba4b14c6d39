"""``roost demo``: a database, migrated, and an application that serves on it, until Ctrl-C."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from roost.cli._exit_codes import ExitCode
from roost.cli._options import RuntimeName
from roost.cli._output import Output
from roost.cli._perform import perform


def demo(
    runtime: RuntimeName = None,
    *,
    host: Annotated[str, Parameter(show_default=True, help="The address to serve on.")] = "127.0.0.1",
    port: Annotated[
        int | None, Parameter(validator=Number(gte=0, lte=65535), help="The port; by default 8000 or the next free one.")
    ] = None,
    once: Annotated[bool, Parameter(negative=(), help="Send one request, show the answer, and stop.")] = False,
    data_dir: Annotated[Path, Parameter(show_default=True, help="Where the embedded server keeps its data.")] = Path(".roost"),
    database_url: Annotated[str | None, Parameter(help="Use this database and start no embedded server.")] = None,
    traceback: Annotated[bool, Parameter(negative=(), help="Show where an error came from.")] = False,
) -> int:
    r"""Start a PostgreSQL server, migrate, show status and history, and serve `app` of \[tool.roost] until Ctrl-C.

    Only --database-url names another database here: what the environment says may be the database of something else.
    """

    async def body(output: Output) -> int:
        from roost.cli import _demo_run as act  # noqa: PLC0415 -- `roost --help` needs none of it
        from roost.cli._demo_plan import plan_demo  # noqa: PLC0415 -- as above
        from roost.cli._listening import listening_socket  # noqa: PLC0415 -- as above

        plan = plan_demo(runtime, directory=Path.cwd(), once=once)
        # First in, last out: the application and its runtime stop before the server that they use.
        async with AsyncExitStack() as stack:
            listener = None if plan.app is None else stack.enter_context(listening_socket(host, port))
            if database_url is None:
                plan.runtime.database = await stack.enter_async_context(act.embedded_database(data_dir, output))
            else:
                plan.runtime.database = database_url
            stack.push_async_callback(plan.runtime.stop)
            await act.migrate_and_show(plan.runtime, output)
            if plan.app is None or listener is None:
                await act.run_alone(plan.runtime, output)
            else:
                request = plan.request if once else None
                await act.serve_app(plan.app, listener, plan.runtime, output, name=plan.app_name, request=request)
        output.note("stopped")
        return ExitCode.FINE

    return perform("demo", body, traceback=traceback)
