"""The acts of a demo, each of which ends clean on Ctrl-C."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from roost.cli._first_request import send_request
from roost.cli._listening import reachable_address, url_of
from roost.cli._progress import shown_progress
from roost.cli._services import plugins_of
from roost.cli._serving import AsgiApp, Serving, served
from roost.cli._tables import history_table, outcome, status_table
from roost.migrations import MigrationOrchestrator
from roost.postgres import EmbeddedPostgres
from roost.runtime import ServiceCrashed

if TYPE_CHECKING:
    from roost.cli._first_request import Request
    from roost.cli._output import Output
    from roost.runtime import Runtime

DATABASE_NAME = "demo"
_HISTORY_ROWS = 15


@asynccontextmanager
async def embedded_database(data_dir: Path, output: Output) -> AsyncIterator[str]:
    """Run an embedded server inside the block; other demos on the same directory share it.

    Args:
        data_dir: Where it keeps its data.
        output: Where to say what happens.

    Yields:
        The URL of the demo's database.

    Raises:
        DatabaseError: The server can't be started.
    """
    output.note(f"starting PostgreSQL in {data_dir}")
    async with EmbeddedPostgres(data_dir) as server:
        url = await server.create_database(DATABASE_NAME)
        output.note(f"PostgreSQL {server.version} is up{_where(server, asked=data_dir)}")
        yield url
        output.note("stopping PostgreSQL")


def _where(server: EmbeddedPostgres, *, asked: Path) -> str:
    return "" if server.data_dir.samefile(asked) else f", with its data in {server.data_dir}"


async def migrate_and_show(runtime: Runtime, output: Output) -> None:
    """Migrate with progress shown, then print status and history.

    Raises:
        RoostError: As `MigrationOrchestrator.run_all_migrations`.
    """
    orchestrator = MigrationOrchestrator(runtime)
    with shown_progress(runtime, output):
        report = await orchestrator.run_all_migrations()
    output.note(outcome(report))
    status = await orchestrator.get_migration_status()
    records = await orchestrator.get_migration_history()
    output.console.print(status_table(status, plugins=plugins_of(orchestrator.get_migration_services())))
    output.console.print()
    output.console.print(history_table(records[:_HISTORY_ROWS], total=len(records)))
    output.console.print()


async def serve_app(app: AsgiApp, listener: socket.socket, runtime: Runtime, output: Output, *, name: str, request: Request | None) -> None:
    """Serve the application until Ctrl-C, until it answered one request, or until a service crashes.

    Args:
        app: The application, whose lifespan starts the runtime.
        listener: Where it serves.
        runtime: The runtime.
        output: Where to say so.
        name: What errors call the application.
        request: What to ask it; None serves until Ctrl-C or SIGTERM.

    Raises:
        DemoRequestFailed: The answer was not one of the 200s.
        ServiceTaskCrashed: A service of the runtime crashed; uvicorn itself would serve on.
        BaseException: What the application's lifespan raised.
    """
    async with served(app, listener, name=name) as serving, until_crash(runtime, serving):
        stop = "" if request else " (Ctrl-C stops it)"
        output.console.print(f"serving {name} on {url_of(listener)}{stop}", soft_wrap=True)
        if request is not None:
            host, port = reachable_address(listener)
            answer = await asyncio.to_thread(send_request, request, host=host, port=port)
            output.console.print(f"{request} -> {answer.status}", soft_wrap=True)
            output.console.print(answer.body, soft_wrap=True)
            return
        await until_asked_to_stop(serving.task, output)


@asynccontextmanager
async def until_crash(runtime: Runtime, serving: Serving) -> AsyncIterator[None]:
    """End the server when a service's crash stops the runtime inside the block.

    Raises:
        ServiceTaskCrashed: One did.
    """
    crashed = False

    def end(event: ServiceCrashed) -> None:
        nonlocal crashed
        if event.outcome == "stop":
            crashed = True
            serving.stop()

    unsubscribe = runtime.events.subscribe(end, ServiceCrashed)
    try:
        yield
    finally:
        unsubscribe()
    if crashed:
        await runtime.wait()


async def run_alone(runtime: Runtime, output: Output) -> None:
    """Run the runtime itself until Ctrl-C.

    Raises:
        BaseException: What the runtime could not start with, or ended with.
    """
    await runtime.start()
    waiting = asyncio.create_task(runtime.wait())
    try:
        output.console.print("the runtime is started; Ctrl-C stops it")
        await until_asked_to_stop(waiting, output)
    finally:
        await runtime.stop()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def until_asked_to_stop(work: asyncio.Task[None], output: Output) -> None:
    """Wait for Ctrl-C or SIGTERM, which come as a cancellation and end here; or for the work's own end.

    Raises:
        BaseException: What the work ended with.
    """
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling() == 0:
            raise
        task.uncancel()
        output.note("stopping")
