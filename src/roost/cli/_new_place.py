"""Where ``roost new`` puts what it writes: the folder that is named, or that of a plugin of the runtime."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from roost.cli._project import read_project
from roost.errors import BadUsage

if TYPE_CHECKING:
    from roost.migrations import PluginMigrationService
    from roost.runtime import Runtime


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Where something is written.

    Attributes:
        directory: The folder.
        plugin: The plugin whose folder it is.
        runtime: The runtime that has the plugin.
    """

    directory: Annotated[Path | None, Parameter(help="The folder. Else that of the plugin, which the runtime knows.")] = None
    plugin: Annotated[str | None, Parameter(help="The plugin; it may be left out where only one has such a folder.")] = None
    runtime: Annotated[
        str | None, Parameter(help="The runtime as module:attribute. Else ROOST_RUNTIME, or `runtime` in \\[tool.roost] of pyproject.toml.")
    ] = None


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class WhereSteps(Where):
    """Where steps are written, and in which form.

    Attributes:
        python: Whether it is a Python module with a list of steps.
        version: The version that these get.
    """

    python: Annotated[bool, Parameter(negative=(), help="Write a Python module with a list `steps`, instead of SQL files.")] = False
    version: Annotated[str | None, Parameter(help="With --python: the plugin's version that the steps belong to.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A folder, and whose it is.

    Attributes:
        directory: The folder.
        service: The migration service that it belongs to; None where only the folder was named.
        runtime: The runtime; None as well.
        has_database: Whether the runtime has a database that can be asked.
        package: The package in which a Python module lies there, dotted; empty where that is not known.
    """

    directory: Path
    service: PluginMigrationService | None = None
    runtime: Runtime | None = None
    has_database: bool = False
    package: str = ""


@asynccontextmanager
async def place_of(where: Where, *, python: bool = False, database_url: str | None = None) -> AsyncIterator[Place]:
    """Find the folder, and close what the runtime opened afterwards.

    Args:
        where: What the command line says. Where it names a folder and no plugin, no runtime is loaded.
        python: Whether it is for Python modules, and not for SQL files.
        database_url: The database that `Common` names.

    Raises:
        BadUsage: No folder is named, and no plugin or several have one.
        BadProject: ``pyproject.toml`` can't be used.
        BadTarget: The runtime can't be found.
        Exception: What the runtime's module raises.
    """
    if where.directory is not None and where.plugin is None:
        yield Place(directory=where.directory)
        return
    from roost.cli._workplace import NOWHERE, runtime_on_database  # noqa: PLC0415 -- only where there is a runtime
    from roost.migrations import MigrationOrchestrator, PluginMigrationService, SqlMigrationService  # noqa: PLC0415 -- as above

    runtime = runtime_on_database(where.runtime, project=read_project(Path.cwd()), database_url=database_url)
    has_database = runtime.database is not None
    if not has_database:
        runtime.database = NOWHERE
    try:
        kind = PluginMigrationService if python else SqlMigrationService
        services = [service for service in MigrationOrchestrator(runtime).get_migration_services() if isinstance(service, kind)]
        service = _chosen(services, plugin=where.plugin, python=python)
        yield replace(_place(where.directory, service, python=python), runtime=runtime, has_database=has_database)
    finally:
        await runtime.stop()


def _place(directory: Path | None, service: PluginMigrationService, *, python: bool) -> Place:
    if directory is not None:
        return Place(directory=directory, service=service)
    if not python:
        return Place(directory=Path(getattr(service, "directory", "")), service=service)
    module = type(service).__module__
    file = Path(inspect.getfile(type(service)))
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    return Place(directory=file.parent, service=service, package=package)


def _chosen(services: Sequence[PluginMigrationService], *, plugin: str | None, python: bool) -> PluginMigrationService:
    what = "a migration service" if python else "a folder of SQL migrations"
    found = [service for service in services if plugin in (None, service.plugin_name)]
    names = ", ".join(sorted(service.plugin_name for service in services))
    if len(found) == 1:
        return found[0]
    if found:
        raise BadUsage(reason=f"Several plugins have {what}", remedy=f"say which with --plugin: {names}, or a folder with --directory")
    which = "No plugin" if plugin is None else f"No plugin {plugin!r}"
    raise BadUsage(reason=f"{which} of the runtime has {what}", remedy=f"there are: {names or 'none'}; a folder is named by --directory")


def shown(path: Path) -> str:
    """Return a path as a person in the current directory writes it."""
    try:
        return path.resolve().relative_to(Path.cwd().resolve()).as_posix()
    except ValueError:
        return str(path)
