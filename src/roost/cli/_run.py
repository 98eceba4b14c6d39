"""``roost run``: migrate, start, and serve until a signal."""

from __future__ import annotations

from roost.cli._exit_codes import ExitCode
from roost.cli._options import NOTHING_SPECIAL, Common, RuntimeName
from roost.cli._output import Output
from roost.cli._perform import perform


def run(runtime: RuntimeName = None, *, common: Common = NOTHING_SPECIAL) -> int:
    """Start the runtime and keep it running until Ctrl-C or SIGTERM; a second one ends it at once."""

    async def body(output: Output) -> int:
        from roost.cli._workplace import workplace  # noqa: PLC0415 -- `roost --help` needs no runtime
        from roost.runtime import RuntimeStartFinished, RuntimeStopStarted  # noqa: PLC0415 -- as above

        async with workplace(runtime, database_url=common.database_url) as place:
            events = place.runtime.events
            events.subscribe(lambda event: output.note("started; Ctrl-C stops it") if event.error is None else None, RuntimeStartFinished)
            events.subscribe(lambda _event: output.note("stopping"), RuntimeStopStarted)
            await place.runtime.run()
        output.note("stopped")
        return ExitCode.FINE

    return perform("run", body, json=common.json, traceback=common.traceback)
