"""``roost wait``: wait until nothing is pending, as init containers do."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from roost.cli._exit_codes import ExitCode
from roost.cli._options import NOTHING_SPECIAL, Common, RuntimeName
from roost.cli._output import Output
from roost.cli._perform import perform
from roost.errors import DatabaseUnreachable

if TYPE_CHECKING:
    from roost.migrations import MigrationOrchestrator

Seconds = Annotated[float, Parameter(validator=validators.Number(gte=0))]


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
                try:
                    pending, unreachable = await _pending(place.orchestrator), None
                except DatabaseUnreachable as error:
                    pending, unreachable = (), error
                waited = time.monotonic() - began
                if unreachable is None and not pending:
                    output.result({"pending": [], "waited": waited}, "nothing is pending")
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
        output.result({"pending": pending, "waited": waited}, f"still pending after {waited:.0f} s: {', '.join(pending)}")
        return ExitCode.PENDING

    return perform("wait", body, json=common.json, traceback=common.traceback)


async def _pending(orchestrator: MigrationOrchestrator) -> tuple[str, ...]:
    """Return the services that have something to do; those that can't say which of them it is are all named."""
    status = await orchestrator.get_migration_status()
    found = tuple(row.service_name for row in status.services if row.pending)
    if found or not await orchestrator.has_pending_migrations():
        return found
    # A version may be due without a step, and services that are not roost's know for themselves.
    return tuple(row.service_name for row in status.services)
