"""``roost run``: migrate, start, and serve until a signal."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from roost.cli._exit_codes import ExitCode
from roost.cli._options import NOTHING_SPECIAL, Common, RuntimeName
from roost.cli._output import Output
from roost.cli._perform import perform

if TYPE_CHECKING:
    from roost.runtime import Runtime, RuntimeStartFinished

SLOW_SECONDS = 5.0
"""After so long, and then again and again, a start says what it waits for."""


def run(runtime: RuntimeName = None, *, common: Common = NOTHING_SPECIAL) -> int:
    """Migrate, start the runtime, and keep it running until Ctrl-C or SIGTERM; a second one ends it at once.

    As a service of systemd's, with Type=notify, it says when it is ready, how far its migrations are, and that it lives.
    """

    async def body(output: Output) -> int:
        from roost.cli._progress import shown_progress  # noqa: PLC0415 -- `roost --help` needs no runtime
        from roost.cli._workplace import workplace  # noqa: PLC0415 -- as above
        from roost.runtime import RuntimeStartFinished, RuntimeStopStarted  # noqa: PLC0415 -- as above
        from roost.telemetry import notify_systemd  # noqa: PLC0415 -- as above

        async with workplace(runtime, database_url=common.database_url) as place:
            notify_systemd(place.runtime)
            with contextlib.ExitStack() as starting:

                def started(event: RuntimeStartFinished) -> None:
                    starting.close()
                    if event.error is None:
                        output.note("started; Ctrl-C stops it")
                        place.runtime.events.subscribe(lambda _: output.note("stopping; Ctrl-C again ends it at once"), RuntimeStopStarted)

                starting.enter_context(shown_progress(place.runtime, output))
                starting.callback(asyncio.create_task(_tell_what_is_slow(place.runtime, output)).cancel)
                place.runtime.events.subscribe(started, RuntimeStartFinished)
                await place.runtime.run()
        output.note("stopped")
        return ExitCode.FINE

    return perform("run", body, json=common.json, traceback=common.traceback, log_format=common.log_format)


async def _tell_what_is_slow(runtime: Runtime, output: Output) -> None:
    while True:
        await asyncio.sleep(SLOW_SECONDS)
        slow = [f"{unit.name} ({unit.since:.0f} s)" for unit in runtime.status() if unit.state == "starting" and unit.since >= SLOW_SECONDS]
        if slow:
            output.note(f"still starting: {', '.join(slow)}")
