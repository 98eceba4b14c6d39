"""``roost lint``: find in the SQL of steps what takes a table down, loses rows or will be refused."""

from __future__ import annotations

from pathlib import Path
from traceback import format_exception
from typing import Annotated, Literal

from cyclopts import Parameter

from roost.cli._exit_codes import ExitCode
from roost.cli._options import NOTHING_SPECIAL, Common
from roost.cli._output import Output, error_document
from roost.cli._perform import perform
from roost.cli._project import read_project
from roost.errors import BadUsage

PostgresVersion = Annotated[
    str | None,
    Parameter(
        help="The version of the oldest server that the migrations will run on. Else `postgres_version` in \\[tool.roost], or 14, "
        "the oldest that roost supports."
    ),
]


def lint(
    *targets: Annotated[
        str,
        Parameter(
            help="The runtime as module:attribute, else ROOST_RUNTIME or the project's; or files that end in .sql, and folders of them."
        ),
    ],
    plugin: Annotated[str | None, Parameter(help="Only this plugin's steps.")] = None,
    pending: Annotated[bool, Parameter(negative=(), help="Only steps that the database does not have yet, which it is asked for.")] = False,
    installed: Annotated[bool, Parameter(negative=(), help="Also steps that come with installed packages.")] = False,
    strict: Annotated[bool, Parameter(negative=(), help="Let warnings fail as errors do.")] = False,
    pg_version: PostgresVersion = None,
    output_format: Annotated[
        Literal["text", "github"], Parameter(name="--format", help="How findings are written: for people, or as annotations of GitHub.")
    ] = "text",
    common: Common = NOTHING_SPECIAL,
) -> int:
    """Find in the SQL of steps what takes a table down, loses rows or will be refused; exit code 4 for errors.

    It needs no database, and the extra `sql`.
    """

    async def body(output: Output) -> int:
        from roost.cli._lint_choice import chosen_targets, chosen_version, steps_of_files  # noqa: PLC0415 -- `roost --help` needs no migrations
        from roost.cli._lint_documents import LintDocument, found_document  # noqa: PLC0415 -- as above
        from roost.cli._lint_listing import finding_lines, github_lines, lint_summary  # noqa: PLC0415 -- as above
        from roost.cli._pending import pending_steps  # noqa: PLC0415 -- as above
        from roost.cli._services import refuse_unknown_plugin  # noqa: PLC0415 -- as above
        from roost.cli._workplace import without_database, workplace  # noqa: PLC0415 -- as above
        from roost.lint import OLDEST_POSTGRES, lint_steps  # noqa: PLC0415 -- as above

        project = read_project(Path.cwd())
        version = chosen_version(pg_version, project, oldest=OLDEST_POSTGRES)
        chosen = chosen_targets(targets)
        if chosen.files and (pending or plugin is not None):
            raise BadUsage(reason="Files are of no plugin, and no database knows them", remedy="leave --pending and --plugin out")
        only = None
        if chosen.files:
            declared = steps_of_files(chosen.files)
        else:
            async with without_database(chosen.runtime) as orchestrator:
                if plugin is not None:
                    refuse_unknown_plugin(plugin, orchestrator.get_migration_services())
                declared = orchestrator.declared_steps(plugin)
        if pending:
            async with workplace(chosen.runtime, database_url=common.database_url) as place:
                only = await pending_steps(place.orchestrator)
        report = lint_steps(declared, postgres_version=version, only=only, installed=installed or bool(chosen.files))
        errors = [one.error for one in declared if one.error is not None]
        write = github_lines if output_format == "github" else finding_lines
        output.result(
            LintDocument(
                **found_document(report, postgres_version=version, base=Path.cwd()),
                valid=not report.errors and not errors,
                unread=[error_document(error) for error in errors],
            ),
            *write(report.findings, base=Path.cwd()),
            lint_summary(report),
        )
        for error in errors:
            if common.traceback:
                output.note("".join(format_exception(error)).rstrip())
            output.tell(error)
        failed = report.errors or errors or (strict and report.warnings)
        return ExitCode.INVALID if failed else ExitCode.FINE

    return perform("lint", body, json=common.json, traceback=common.traceback, log_format=common.log_format)
