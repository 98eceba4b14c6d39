"""What a command works on: the named runtime on the chosen database, and its orchestrator."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from roost.cli._database_choice import chosen_database
from roost.cli._project import Project, read_project
from roost.cli._target import load_runtime
from roost.errors import BadUsage

if TYPE_CHECKING:
    from roost.migrations import MigrationOrchestrator
    from roost.runtime import Runtime


NOWHERE = "postgresql://localhost/"
"""Constructors of services may ask for a database, and are called; nothing connects to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """A runtime that is not started, and what its project says."""

    project: Project
    runtime: Runtime
    orchestrator: MigrationOrchestrator


@asynccontextmanager
async def workplace(runtime_name: str | None, *, database_url: str | None) -> AsyncIterator[Workplace]:
    """Load the runtime for a command, and close what it opened afterwards.

    Args:
        runtime_name: ``module:attribute``, or None for the project's.
        database_url: What ``--database-url`` says.

    Yields:
        The place to work in.

    Raises:
        BadUsage: Nothing names a runtime.
        BadProject: ``pyproject.toml`` can't be used.
        BadTarget: The name leads to no runtime.
        Exception: What the runtime's module raises.
    """
    from roost.migrations import MigrationOrchestrator  # noqa: PLC0415 -- `roost --help` needs no migrations

    project = read_project(Path.cwd())
    runtime = runtime_on_database(runtime_name, project=project, database_url=database_url)
    try:
        yield Workplace(project=project, runtime=runtime, orchestrator=MigrationOrchestrator(runtime))
    finally:
        await runtime.stop()


@asynccontextmanager
async def without_database(runtime_name: str | None) -> AsyncIterator[MigrationOrchestrator]:
    """Load the runtime for a command that asks no database, whatever names one; errors as of `workplace`.

    Args:
        runtime_name: ``module:attribute``, or None for the project's.

    Yields:
        The runtime's orchestrator.
    """
    from roost.migrations import MigrationOrchestrator  # noqa: PLC0415 -- as above

    runtime = named_runtime(runtime_name, project=read_project(Path.cwd()))
    own = runtime.database
    if own is None:
        runtime.database = NOWHERE
    try:
        yield MigrationOrchestrator(runtime)
    finally:
        await runtime.stop()
        runtime.database = own


def runtime_on_database(runtime_name: str | None, *, project: Project, database_url: str | None) -> Runtime:
    """Load the runtime, and give it the database that counts, where one is named anywhere; arguments and errors as of `workplace`."""
    runtime = named_runtime(runtime_name, project=project)
    database = chosen_database(database_url, environment=os.environ, project=project.database_url, has_own=runtime.database is not None)
    if database is not None:
        runtime.database = database
    return runtime


def named_runtime(runtime_name: str | None, *, project: Project) -> Runtime:
    """Load the runtime that the command line, the environment or the project names; errors as of `workplace`."""
    name = runtime_name or os.environ.get("ROOST_RUNTIME") or project.runtime
    if name is None:
        raise BadUsage(
            reason="No runtime is named, neither here nor in pyproject.toml",
            remedy='name one as module:attribute, or write runtime = "myapp:runtime" under [tool.roost] in pyproject.toml; '
            "roost init writes a new project",
        )
    return load_runtime(name)
