"""Says of each plugin what it brings, as plain data and as a table. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

from rich.text import Text

from roost.cli._table_form import NONE, plain_table

if TYPE_CHECKING:
    from rich.table import Table

    from roost.runtime import Plugin, ServiceNode

_MIGRATION = "migration"


class PluginRow(TypedDict):
    """What one plugin brings.

    Attributes:
        name: Its name.
        version: Its version; None where it says none.
        description: What it is for.
        dependencies: What it depends on, as it says it.
        priority: Among plugins that do not depend on each other the higher one migrates first.
        services: The names of its services, without those that migrate.
        migration_services: The names of those.
        declares_schema: Whether it declares a schema.
        has_migration_function: Whether it brings a function ``run_plugin_migrations``.
    """

    name: str
    version: str | None
    description: str
    dependencies: list[str]
    priority: int
    services: list[str]
    migration_services: list[str]
    declares_schema: bool
    has_migration_function: bool


def plugin_rows(plugins: Sequence[Plugin], nodes: Sequence[ServiceNode]) -> list[PluginRow]:
    """Return a row for each plugin, in the order in which the runtime was given them."""
    return [
        PluginRow(
            name=plugin.name,
            version=plugin.version,
            description=plugin.description,
            dependencies=list(plugin.dependencies),
            priority=plugin.priority,
            services=[node.name for node in nodes if node.plugin == plugin.name and node.service_type != _MIGRATION],
            migration_services=[node.name for node in nodes if node.plugin == plugin.name and node.service_type == _MIGRATION],
            declares_schema=plugin.schema is not None,
            has_migration_function=plugin.run_plugin_migrations is not None,
        )
        for plugin in plugins
    ]


def plugins_table(rows: Sequence[PluginRow]) -> Table:
    """Draw the rows."""
    table = plain_table(f"Plugins ({len(rows)})", "plugin", "version", "depends on", "services", "migrations", "description")
    for row in rows:
        migrations = [*row["migration_services"]]
        if row["declares_schema"]:
            migrations.append("a declared schema")
        if row["has_migration_function"]:
            migrations.append("run_plugin_migrations")
        table.add_row(
            Text(row["name"]),
            Text(row["version"] or NONE),
            Text(", ".join(row["dependencies"]) or NONE),
            Text(", ".join(row["services"]) or NONE),
            Text(", ".join(migrations) or NONE),
            Text(row["description"] or NONE),
        )
    return table
