"""``python -m examples.agent_server --database-url postgresql://…``: the server on any database."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys

import uvicorn

from examples.agent_server.app import app, runtime
from roost import MigrationOrchestrator, RoostError
from roost.runtime import ServiceCrashed


def main() -> int:
    """Serve until Ctrl-C, SIGTERM or the crash of a service; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m examples.agent_server", description=__doc__)
    parser.add_argument("--database-url", default=os.environ.get("DATABASE_URL"), help="default: the environment's DATABASE_URL")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    options = parser.parse_args()
    if not options.database_url:
        parser.error("--database-url is missing, such as postgresql://user:password@host/database")
    runtime.database = options.database_url
    try:
        # The lifespan would migrate as well; done before, what is wrong with the database is said in two lines.
        asyncio.run(MigrationOrchestrator(runtime).run_all_migrations())
    except RoostError as error:
        print(error, file=sys.stderr)  # noqa: T201 -- a command prints
        return 1
    server = uvicorn.Server(uvicorn.Config(app, host=options.host, port=options.port, access_log=False))
    crashes: list[ServiceCrashed] = []

    def end(number: int, _frame: object) -> None:
        # uvicorn sends itself once more what made it stop: SIGTERM, which a crash sends as well.
        if crashes:
            raise SystemExit(1)
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    runtime.events.subscribe(crashes.append, ServiceCrashed)
    signal.signal(signal.SIGTERM, end)
    server.run()
    return 1 if crashes or not server.started else 0


if __name__ == "__main__":
    raise SystemExit(main())
