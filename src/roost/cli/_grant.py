"""``roost grant``: let a role read the ledger."""

from __future__ import annotations

from typing import Annotated, TypedDict

from cyclopts import Parameter

from roost.cli._exit_codes import ExitCode
from roost.cli._options import NOTHING_SPECIAL, Common, RuntimeName
from roost.cli._output import Output
from roost.cli._perform import perform


class GrantDocument(TypedDict):
    """Who may read the ledger.

    Attributes:
        role: The role.
    """

    role: str


def grant(
    role: Annotated[str, Parameter(help="The role, as it is: no quotes are needed.")],
    runtime: RuntimeName = None,
    *,
    common: Common = NOTHING_SPECIAL,
) -> int:
    """Let a role read the ledger: what an application needs that does not migrate. To do it again changes nothing."""

    async def body(output: Output) -> int:
        from roost.cli._workplace import workplace  # noqa: PLC0415 -- `roost --help` needs none of it

        async with workplace(runtime, database_url=common.database_url) as place:
            await place.orchestrator.grant(role)
        output.result(GrantDocument(role=role), f"role {role} may read the ledger, and start where nothing is to be done")
        return ExitCode.FINE

    return perform("grant", body, json=common.json, traceback=common.traceback, log_format=common.log_format)
