"""``roost doctor``: what could come between a runtime and its migrations."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from roost.cli._error_codes import exit_code_of
from roost.cli._exit_codes import ExitCode
from roost.cli._options import NOTHING_SPECIAL, Common, RuntimeName
from roost.cli._output import Output
from roost.cli._perform import perform
from roost.errors import DatabaseError, NoDatabase

if TYPE_CHECKING:
    from roost.cli._findings import Finding


class DoctorDocument(TypedDict):
    """What could come between a runtime and its migrations.

    Attributes:
        fine: Whether nothing is wrong.
        findings: Each thing that was looked at.
    """

    fine: bool
    findings: list[Finding]


def doctor(runtime: RuntimeName = None, *, common: Common = NOTHING_SPECIAL) -> int:
    """Look at what could come between the runtime and its migrations, and say what to do about it.

    It looks at versions and extras, the plugins' steps, the line to the database, poolers, rights, settings and the ledger, and writes
    nothing. The exit code is 1 when something is wrong, and that of the error when the database can't be asked.
    """

    async def body(output: Output) -> int:
        from roost.cli._findings import (  # noqa: PLC0415 -- `roost --help` needs none of it
            Finding,
            findings_table,
            of_database,
            of_declared_schemas,
            of_packages,
            of_steps,
        )
        from roost.cli._requirements import installed_extras  # noqa: PLC0415 -- as above
        from roost.cli._workplace import workplace  # noqa: PLC0415 -- as above

        extras, code = installed_extras(), ExitCode.FINE
        findings = [*of_packages(extras, versions=_versions())]
        try:
            async with workplace(runtime, database_url=common.database_url) as place:
                declaring = [plugin.name for plugin in place.runtime.plugins if plugin.schema is not None]
                findings += of_declared_schemas(extras, plugins=declaring)
                findings += of_steps(place.orchestrator.check_steps())
                findings += of_database(await place.orchestrator.examine_database(), declares_schema=bool(declaring))
        except (DatabaseError, NoDatabase) as error:
            findings.append(Finding(check="connection", verdict="wrong", message=error.message, remedy=error.hint))
            code = exit_code_of(error)
        if code == ExitCode.FINE and any(one.verdict == "wrong" for one in findings):
            code = ExitCode.FAILED
        output.result(DoctorDocument(fine=code == ExitCode.FINE, findings=findings), findings_table(findings))
        return code

    return perform("doctor", body, json=common.json, traceback=common.traceback, log_format=common.log_format)


def _versions() -> str:
    import importlib.metadata  # noqa: PLC0415 -- as above
    import platform  # noqa: PLC0415 -- as above

    packages = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("asyncpg", "anyio", "tenacity"))
    return f"Python {platform.python_version()}, {packages}"
