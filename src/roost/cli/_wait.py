"""``roost wait``: wait until nothing is pending, as init containers do."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Annotated, TypedDict

from cyclopts import Parameter, validators

from roost.cli._exit_codes import ExitCode
from roost.cli._options import NOTHING_SPECIAL, Common, RuntimeName
from roost.cli._output import Output
from roost.cli._perform import perform
from roost.errors import DatabaseUnreachable

if TYPE_CHECKING:
    from roost.cli._workplace import Workplace

Seconds = Annotated[float, Parameter(validator=validators.Number(gte=0))]


class WaitedDocument(TypedDict):
    """What a wait came to.

    Attributes:
        pending: The services for which something is still to do.
        waited: Seconds.
    """

    pending: tuple[str, ...]
    waited: float


def wait(
    runtime: RuntimeName = None,
    *,
    timeout: Annotated[Seconds, Parameter(help="Seconds to wait at most; 0 looks once.", show_default=True)] = 300.0,
    interval: Annotated[Seconds, Parameter(help="Seconds between two looks.", show_default=True)] = 1.0,
    common: Common = NOTHING_SPECIAL,
) -> int:
    """Wait until nothing is pending, and migrate nothing: for containers that start beside the one that migrates.

    A database that can't be reached yet is waited for as well. Exit code 3 when something is still pending at the end, 6 when the database
    was still not to be reached.
    """

    async def body(output: Output) -> int:
        from roost.cli._workplace import workplace  # noqa: PLC0415 -- `roost --help` needs no migrations

        began, told = time.monotonic(), ""
        async with workplace(runtime, database_url=common.database_url) as place:
            while True:
                pending, unreachable = await _look(place)
                waited = time.monotonic() - began
                if unreachable is None and not pending:
                    output.result(WaitedDocument(pending=(), waited=waited), "nothing is pending")
                    return ExitCode.FINE
                if waited + interval > timeout:
                    break
                reason = f"pending: {', '.join(pending)}" if unreachable is None else unreachable.message
                if reason != told:
                    output.note(f"waiting, {reason}")
                    told = reason
                await asyncio.sleep(interval)
        if unreachable is not None:
            raise unreachable
        output.result(WaitedDocument(pending=pending, waited=waited), f"still pending after {waited:.0f} s: {', '.join(pending)}")
        output.note("hint: see who should run it by roost status; wait longer by --timeout, or run it here by roost up")
        return ExitCode.PENDING

    return perform("wait", body, json=common.json, traceback=common.traceback)


async def _look(place: Workplace) -> tuple[tuple[str, ...], DatabaseUnreachable | None]:
    """Return what is pending, or why the database could not be asked: it may be starting, or be started anew, just now."""
    from roost.cli._pending import pending_services  # noqa: PLC0415 -- as above
    from roost.postgres import Database, is_connection_lost  # noqa: PLC0415 -- as above

    try:
        return await pending_services(place.orchestrator, await place.orchestrator.get_migration_status()), None
    except DatabaseUnreachable as error:
        return (), error
    except Exception as error:
        if not is_connection_lost(error):
            raise
        location = place.runtime.get_service(Database).url.location
        return (), DatabaseUnreachable(location=location, attempts=1, reason=str(error))
