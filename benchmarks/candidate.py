"""The same jobs done by roost, as an application would ask for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from roost import MigrationContext, MigrationOrchestrator, MigrationReport, MigrationStep, Plugin, PluginMigrationService, Runtime

Body: TypeAlias = str | Callable[[MigrationContext], Awaitable[object]]
"""What a step does: SQL, or an async function."""


def make_plugin(bodies: Sequence[Body], *, name: str = "benchmark") -> Plugin:
    """Return a plugin with one step a body: a statement, or a function."""

    class Migrations(PluginMigrationService):
        service_name = f"{name}-migration"
        steps = tuple(MigrationStep(f"s{number}", "A small step", up=body, version="1.0.0") for number, body in enumerate(bodies))

    return Plugin(name=name, services=[Migrations])


async def migrate(url: str, *plugins: Plugin) -> MigrationReport:
    """Make a runtime and await its orchestrator."""
    return await MigrationOrchestrator(Runtime(plugins=plugins, database=url)).run_all_migrations()
