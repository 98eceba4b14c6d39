"""``roost status``: show where every migration service stands."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from roost.cli._options import NOTHING_SPECIAL, Common, RuntimeName
from roost.cli._output import Output
from roost.cli._perform import perform

SECONDS_BETWEEN_LOOKS = 2.0


def status(
    runtime: RuntimeName = None,
    *,
    watch: Annotated[bool, Parameter(negative=(), help="Look again and again, until Ctrl-C. With --json, one document a line.")] = False,
    every: Annotated[
        float | None, Parameter(validator=Number(gt=0), help="Seconds between two looks, 2 by default; implies --watch.")
    ] = None,
    common: Common = NOTHING_SPECIAL,
) -> int:
    """Show where every migration service stands, and who runs migrations just now.

    The exit code is 3 when something is pending and 1 when something is blocked; with --watch it is 0.
    """

    async def body(output: Output) -> int:
        from roost.cli._status_look import look  # noqa: PLC0415 -- `roost --help` needs no migrations
        from roost.cli._watching import watch_status  # noqa: PLC0415 -- as above
        from roost.cli._workplace import workplace  # noqa: PLC0415 -- as above

        async with workplace(runtime, database_url=common.database_url) as place:
            if watch or every is not None:
                return await watch_status(place.orchestrator, output, every=every or SECONDS_BETWEEN_LOOKS)
            seen = await look(place.orchestrator)
        seen.show(output)
        return seen.exit_code

    return perform("status", body, json=common.json, traceback=common.traceback, log_format=common.log_format)
