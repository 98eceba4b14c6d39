from __future__ import annotations

from roost import MigrationStep, Plugin, PluginMigrationService, Runtime, Service
from roost.cli._plugin_rows import plugin_rows, plugins_table


class Memory(Service):
    """Keeps what agents know."""

    service_name = "memory"


class MemoryMigrations(PluginMigrationService):
    """Makes its table."""

    service_name = "memory-migration"
    steps = (MigrationStep("make", "Make", up="SELECT 1", version="1.0.0"),)


async def of_old() -> None:
    """Do nothing."""


def test_each_plugin_with_what_it_brings() -> None:
    """A row tells a plugin's services apart from its migrations of each kind; one that brings nothing is a row as well."""
    memory = Plugin(name="memory", version="1.2", description="Knows", services=[Memory, MemoryMigrations], priority=3)
    old = Plugin(name="old", dependencies=["memory>=1"], schema="CREATE TABLE t ()", run_plugin_migrations=of_old)
    runtime = Runtime(plugins=[memory, old])
    first, second = plugin_rows(runtime.plugins, runtime.graph())
    assert (first["services"], first["migration_services"], first["priority"]) == (["memory"], ["memory-migration"], 3)
    assert (first["version"], first["description"], first["declares_schema"]) == ("1.2", "Knows", False)
    assert (second["services"], second["migration_services"], second["dependencies"]) == ([], [], ["memory>=1"])
    assert (second["version"], second["declares_schema"], second["has_migration_function"]) == (None, True, True)
    migrations = plugins_table([first, second]).columns[4].cells
    assert [str(cell) for cell in migrations] == ["memory-migration", "a declared schema, run_plugin_migrations"]
