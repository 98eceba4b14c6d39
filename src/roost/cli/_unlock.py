"""``roost unlock``: end a frozen run, so that the migration lock is free."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from roost.cli._exit_codes import ExitCode
from roost.cli._options import NOTHING_SPECIAL, Common, RuntimeName
from roost.cli._output import Output
from roost.cli._perform import perform
from roost.errors import UnlockUnconfirmed


def unlock(
    runtime: RuntimeName = None,
    *,
    yes: Annotated[bool, Parameter(negative=(), help="Do not ask.")] = False,
    common: Common = NOTHING_SPECIAL,
) -> int:
    """Show who holds the migration lock, and end its server process; what that has in hand is rolled back. It asks first."""

    async def body(output: Output) -> int:
        from roost.cli._asking import ask, is_yes  # noqa: PLC0415 -- `roost --help` needs none of it
        from roost.cli._documents import holder_document  # noqa: PLC0415 -- as above
        from roost.cli._tables import holder_table  # noqa: PLC0415 -- as above
        from roost.cli._workplace import workplace  # noqa: PLC0415 -- as above

        async with workplace(runtime, database_url=common.database_url) as place:
            holder = await place.orchestrator.get_lock_holder()
            if holder is None:
                output.result(holder_document(None, ended=False), "nobody holds the migration lock")
                return ExitCode.FINE
            output.progress.print(holder_table(holder))
            if not yes:
                answer = ask(f"End server process {holder.pid}? [y/N] ")
                if not is_yes(answer):
                    raise UnlockUnconfirmed(pid=holder.pid, asked=answer is not None)
            ended = await place.orchestrator.unlock(holder.pid)
        gone = "was ended" if ended else "has let go of the lock by itself, and nothing was ended"
        output.result(holder_document(holder, ended=ended), f"server process {holder.pid} {gone}")
        return ExitCode.FINE

    return perform("unlock", body, json=common.json, traceback=common.traceback, log_format=common.log_format)
