"""``roost status``: show where every migration service stands."""

from __future__ import annotations

from roost.cli._exit_codes import ExitCode
from roost.cli._options import NOTHING_SPECIAL, Common, RuntimeName
from roost.cli._output import Output
from roost.cli._perform import perform

_BROKEN = frozenset({"failed", "blocked"})


def status(runtime: RuntimeName = None, *, common: Common = NOTHING_SPECIAL) -> int:
    """Show where every migration service stands; exit code 3 when something is pending, 1 when something is blocked."""

    async def body(output: Output) -> int:
        from roost.cli._changes import tell_changes, tell_drift  # noqa: PLC0415 -- `roost --help` needs no migrations
        from roost.cli._documents import status_document  # noqa: PLC0415 -- as above
        from roost.cli._services import plugins_of  # noqa: PLC0415 -- as above
        from roost.cli._tables import status_table, unclaimed_table  # noqa: PLC0415 -- as above
        from roost.cli._workplace import workplace  # noqa: PLC0415 -- as above

        async with workplace(runtime, database_url=common.database_url) as place:
            found = await place.orchestrator.get_migration_status()
            broken = any(row.state in _BROKEN for row in found.services)
            pending = any(row.pending for row in found.services)
            if not broken and not pending:
                # A version may be due without a step, and services that are not roost's know for themselves.
                pending = await place.orchestrator.has_pending_migrations()
            plugins = plugins_of(place.orchestrator.get_migration_services())
        tables = [status_table(found, plugins=plugins)]
        if found.unclaimed:
            tables.append(unclaimed_table(found.unclaimed))
        output.result(status_document(found, plugins=plugins, pending=pending), *tables)
        tell_changes(output, [changed for row in found.services for changed in row.changed])
        tell_drift(output, [drift for row in found.services for drift in row.drift])
        if broken:
            return ExitCode.FAILED
        return ExitCode.PENDING if pending else ExitCode.FINE

    return perform("status", body, json=common.json, traceback=common.traceback, log_format=common.log_format)
