"""The same two jobs done by roost, as an application would ask for them."""

from __future__ import annotations

from collections.abc import Sequence

from roost import MigrationOrchestrator, MigrationReport, MigrationStep, Plugin, PluginMigrationService, Runtime


def make_plugin(statements: Sequence[str]) -> Plugin:
    """Return a plugin with one step a statement."""

    class Migrations(PluginMigrationService):
        service_name = "benchmark-migration"
        steps = tuple(
            MigrationStep(f"s{number}", "A small step", up=statement, version="1.0.0") for number, statement in enumerate(statements)
        )

    return Plugin(name="benchmark", services=[Migrations])


async def migrate(url: str, plugin: Plugin) -> MigrationReport:
    """Make a runtime and await its orchestrator."""
    return await MigrationOrchestrator(Runtime(plugins=[plugin], database=url)).run_all_migrations()
