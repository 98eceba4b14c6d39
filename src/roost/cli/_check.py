"""``roost check``: prove, without a database, that what a runtime would migrate is in order."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from traceback import format_exception
from typing import Annotated

from cyclopts import Parameter

from roost.cli._exit_codes import ExitCode
from roost.cli._options import NOTHING_SPECIAL, Common, RuntimeName
from roost.cli._output import Output
from roost.cli._perform import perform
from roost.cli._project import read_project
from roost.errors import ManifestNotWritten


def check(
    runtime: RuntimeName = None,
    *,
    write: Annotated[bool, Parameter(negative=(), help="First write roost.sum into each folder of SQL files, as they are now.")] = False,
    plugin: Annotated[str | None, Parameter(help="Only this plugin's.")] = None,
    drift: Annotated[
        bool, Parameter(negative=(), help="Also ask the database whether declared schemas are as they were brought about.")
    ] = False,
    lint: Annotated[
        bool, Parameter(negative="--no-lint", help="Lint the SQL of the steps, as roost lint does; --no-lint leaves it out.")
    ] = True,
    common: Common = NOTHING_SPECIAL,
) -> int:
    """Load every plugin's steps, hold SQL files against their roost.sum, and lint; exit code 4 when something is wrong.

    It needs no database; without the extra `sql` nothing is linted. With `--drift` it needs one, and the exit code is 3 where a declared
    schema is no longer as it was brought about.
    """

    async def body(output: Output) -> int:
        from roost.cli._changes import tell_drift  # noqa: PLC0415 -- `roost --help` needs no migrations
        from roost.cli._documents import check_document  # noqa: PLC0415 -- as above
        from roost.cli._lint_choice import chosen_version  # noqa: PLC0415 -- as above
        from roost.cli._lint_documents import found_document  # noqa: PLC0415 -- as above
        from roost.cli._lint_listing import finding_lines, lint_summary  # noqa: PLC0415 -- as above
        from roost.cli._services import refuse_unknown_plugin  # noqa: PLC0415 -- as above
        from roost.cli._tables import check_table  # noqa: PLC0415 -- as above
        from roost.cli._workplace import without_database, workplace  # noqa: PLC0415 -- as above
        from roost.lint import OLDEST_POSTGRES, lint_steps, missing_tools  # noqa: PLC0415 -- as above

        base = Path.cwd()
        version = chosen_version(None, read_project(base), oldest=OLDEST_POSTGRES)
        drifted: tuple[str, ...] = ()
        missing = missing_tools() if lint else ()
        async with without_database(runtime) as orchestrator:
            if plugin is not None:
                refuse_unknown_plugin(plugin, orchestrator.get_migration_services())
            found = orchestrator.check_steps(plugin, write=write)
            linted = lint_steps(orchestrator.declared_steps(plugin), postgres_version=version) if lint and not missing else None
        if drift:
            async with workplace(runtime, database_url=common.database_url) as place:
                drifted = await place.orchestrator.find_drift(plugin)
        errors = [one.error for one in found if one.error is not None]
        lint_errors = Counter(one.plugin or "" for one in (linted.findings if linted is not None else ()) if one.severity == "error")
        output.result(
            check_document(
                found, drift=drifted, lint=None if linted is None else found_document(linted, postgres_version=version, base=base)
            ),
            check_table(found, base=base, lint_errors=lint_errors) if found else "there are no steps to check",
            *(finding_lines(linted.findings, base=base) if linted is not None else ()),
            *([lint_summary(linted)] if linted is not None and linted.findings else ()),
        )
        if missing:
            output.note(f"nothing was linted: {' and '.join(missing)} is missing; pip install 'roost[sql]', or leave it out with --no-lint")
        tell_drift(output, drifted)
        for error in errors:
            if common.traceback:
                output.note("".join(format_exception(error)).rstrip())
            output.tell(error)
        if any(isinstance(error, ManifestNotWritten) for error in errors):
            return ExitCode.FAILED
        if errors or (linted is not None and linted.errors):
            return ExitCode.INVALID
        return ExitCode.PENDING if drifted else ExitCode.FINE

    return perform("check", body, json=common.json, traceback=common.traceback, log_format=common.log_format)
