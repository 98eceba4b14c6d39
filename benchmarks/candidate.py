"""The same jobs done by roost, as an application would ask for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from roost import MigrationContext, MigrationOrchestrator, MigrationReport, MigrationStep, Plugin, PluginMigrationService, Runtime
from roost.migrations import SqlMigrationService

Body: TypeAlias = str | Callable[[MigrationContext], Awaitable[object]]
"""What a step does: SQL, or an async function."""
FIRST_VERSION = "1.0.0"


def make_plugin(bodies: Sequence[Body], *, ways_back: Sequence[Body] = (), name: str = "benchmark") -> Plugin:
    """Return a plugin with one step a body: a statement, or a function; each with its way back, or all without one."""

    downs: Sequence[Body | None] = ways_back or [None] * len(bodies)

    class Migrations(PluginMigrationService):
        service_name = f"{name}-migration"
        steps = tuple(
            MigrationStep(f"s{number}", "A small step", up=body, down=down, version=FIRST_VERSION)
            for number, (body, down) in enumerate(zip(bodies, downs, strict=True))
        )

    return Plugin(name=name, services=[Migrations])


def make_computing_plugin(count: int, more: int) -> Plugin:
    """Return a plugin that computes its steps: so many for a first version, and so many more, if any, for a second."""

    class Computed(PluginMigrationService):
        service_name = "benchmark-migration"

        def get_target_version(self) -> str:
            return "2.0.0" if more else FIRST_VERSION

        def get_migration_steps(self, from_version: str, to_version: str) -> Sequence[MigrationStep]:
            numbers = range(count, count + more) if from_version == FIRST_VERSION else range(count)
            return [MigrationStep(f"s{number}", "A small step", up=f"SELECT {number}", version=to_version) for number in numbers]

    return Plugin(name="benchmark", services=[Computed])


def make_plugin_of_files(directory: Path, statements: Sequence[str]) -> Plugin:
    """Return a plugin with one SQL file a statement in a folder of its own, and a manifest that stands for them."""
    directory.mkdir()
    for number, statement in enumerate(statements):
        (directory / f"{number:06}_step.sql").write_text(statement)

    class Files(SqlMigrationService):
        service_name = "benchmark-migration"

    Files.directory = directory
    Files().write_manifest()
    return Plugin(name="benchmark", version=FIRST_VERSION, services=[Files])


async def migrate(url: str, *plugins: Plugin) -> MigrationReport:
    """Make a runtime and await its orchestrator."""
    return await MigrationOrchestrator(Runtime(plugins=plugins, database=url)).run_all_migrations()
