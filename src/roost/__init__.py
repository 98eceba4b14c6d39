"""roost: async services with lifecycles, and plugins that carry their own PostgreSQL migrations.

Importing this package costs next to nothing: a name brings its floor along when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from roost.errors import RoostError
    from roost.migrations import (
        DatabaseMigrationService,
        IMigrationService,
        MigrationConfig,
        MigrationContext,
        MigrationOrchestrator,
        MigrationReport,
        MigrationRun,
        MigrationService,
        MigrationStatus,
        MigrationStep,
        PluginMigrationService,
        RepeatableStep,
        ServiceStatus,
        SqlMigrationService,
        run_plugin_migrations,
    )
    from roost.postgres import Database
    from roost.runtime import Plugin, Runtime, Service
    from roost.schema import DeclaredSchema

__version__ = "0.1.0"

__all__ = [
    "Database",
    "DatabaseMigrationService",
    "DeclaredSchema",
    "IMigrationService",
    "MigrationConfig",
    "MigrationContext",
    "MigrationOrchestrator",
    "MigrationReport",
    "MigrationRun",
    "MigrationService",
    "MigrationStatus",
    "MigrationStep",
    "Plugin",
    "PluginMigrationService",
    "RepeatableStep",
    "RoostError",
    "Runtime",
    "Service",
    "ServiceStatus",
    "SqlMigrationService",
    "__version__",
    "run_plugin_migrations",
]

_FLOORS = {
    "errors": ("RoostError",),
    "runtime": ("Plugin", "Runtime", "Service"),
    "postgres": ("Database",),
    "schema": ("DeclaredSchema",),
    "migrations": (
        "DatabaseMigrationService",
        "IMigrationService",
        "MigrationConfig",
        "MigrationContext",
        "MigrationOrchestrator",
        "MigrationReport",
        "MigrationRun",
        "MigrationService",
        "MigrationStatus",
        "MigrationStep",
        "PluginMigrationService",
        "RepeatableStep",
        "ServiceStatus",
        "SqlMigrationService",
        "run_plugin_migrations",
    ),
}
_FLOOR_OF = {name: floor for floor, names in _FLOORS.items() for name in names}


def __getattr__(name: str) -> object:
    floor = _FLOOR_OF.get(name)
    if floor is None:
        raise AttributeError(f"module 'roost' has no attribute {name!r}")
    value = getattr(import_module(f"roost.{floor}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
