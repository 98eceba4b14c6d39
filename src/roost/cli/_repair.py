"""``roost repair``: say what became of a step, where the ledger can't know."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from roost.cli._exit_codes import ExitCode
from roost.cli._options import NOTHING_SPECIAL, Common, RuntimeName
from roost.cli._output import Output
from roost.cli._perform import perform
from roost.errors import BadUsage


def repair(
    plugin: Annotated[str, Parameter(help="The plugin's name.")],
    step: Annotated[str, Parameter(help="The step's id.")],
    runtime: RuntimeName = None,
    *,
    done: Annotated[bool, Parameter(negative=(), help="The step's effect is there: count it as applied.")] = False,
    undone: Annotated[bool, Parameter(negative=(), help="Its effect is not there: the next run takes it anew.")] = False,
    common: Common = NOTHING_SPECIAL,
) -> int:
    """Write down what you found out about a step that ended its own transaction, or was not seen to end outside one.

    It wants exactly one of --done and --undone, and does nothing to the step's effect.
    """

    async def body(output: Output) -> int:
        from roost.cli._progress import shown_progress  # noqa: PLC0415 -- `roost --help` needs none of it
        from roost.cli._workplace import workplace  # noqa: PLC0415 -- as above

        if done == undone:
            raise BadUsage(
                reason="repair wants exactly one of --done and --undone",
                remedy="look into the database first: --done says that the step's effect is there, --undone that it is not",
            )
        async with workplace(runtime, database_url=common.database_url) as place:
            with shown_progress(place.runtime, output):
                repaired = await place.orchestrator.repair(plugin, step, done=done)
        counts = "counts as applied" if done else "is not applied, and the next run takes it anew"
        version = f"at version {repaired.version}" if repaired.version is not None else "at no version yet"
        output.result(repaired, f"step {step} {counts}; plugin {plugin} is {version}")
        return ExitCode.FINE

    return perform("repair", body, json=common.json, traceback=common.traceback, log_format=common.log_format)
