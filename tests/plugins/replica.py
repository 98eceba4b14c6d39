"""One replica of an application, as a process: it migrates what it is told to, each time with a runtime of its own.

A line of JSON says what: ``{"url": …, "plugins": [{"name": …, "steps": [{"id": …, "up": …}]}], "config": {…}}``. It answers ``ready``,
begins at the next line, says ``waiting`` when it has to wait for its turn, and tells in a line of JSON what came of it. SIGTERM cancels
the run and not the process.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from dataclasses import replace
from typing import Any

from roost import MigrationOrchestrator, MigrationReport, MigrationStep, Plugin, RepeatableStep
from roost.migrations import LockWaitStarted
from tests.plugins.build import QUICK, make_plugin, make_runtime


def plugin_of(told: dict[str, Any]) -> Plugin:
    """Make a plugin of its description."""
    steps = [MigrationStep(**{"description": step["id"], "version": "1.0.0", **step}) for step in told["steps"]]
    repeatable = [RepeatableStep(**{"description": step["id"], **step}) for step in told.get("repeatable", ())]
    return make_plugin(told["name"], *steps, repeatable=repeatable, dependencies=told.get("dependencies", ()))


async def run(job: dict[str, Any]) -> MigrationReport:
    """Migrate, and be cancelled by SIGTERM."""
    config = replace(QUICK, **{"run_lock_timeout": 60.0} | job.get("config", {}))
    runtime = make_runtime(job["url"], *map(plugin_of, job["plugins"]), config=config)
    runtime.events.subscribe(lambda _: print("waiting", flush=True), LockWaitStarted)
    task = asyncio.ensure_future(MigrationOrchestrator(runtime).run_all_migrations())
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        return await task
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def outcome_of(job: dict[str, Any]) -> dict[str, Any]:
    """Run a job and tell what came of it."""
    try:
        report = asyncio.run(run(job))
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 -- whatever it is, it is the answer
        return {"error": type(error).__name__, "text": str(error)}
    return {"steps": [f"{step.plugin}:{step.step}" for step in report.steps], "opened_a_run": report.run_id is not None}


def main() -> None:
    """Take one job after another, until there are no more."""
    for line in sys.stdin:
        job = json.loads(line)
        print("ready", flush=True)
        sys.stdin.readline()
        print(json.dumps(outcome_of(job)), flush=True)


if __name__ == "__main__":
    main()
