"""What a command takes for a declared schema, and who compares it with the database."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from roost.cli._target import load_target
from roost.errors import BadUsage

if TYPE_CHECKING:
    from roost.migrations import MigrationOrchestrator, SchemaCheck
    from roost.runtime import Runtime


async def compared(runtime: Runtime, orchestrator: MigrationOrchestrator, schemas: Mapping[str, object] | None) -> tuple[SchemaCheck, ...]:
    """Compare declared schemas with the database, by the runtime's own service or, where it has none, by one made for this.

    Args:
        runtime: The runtime.
        orchestrator: That of the runtime.
        schemas: What is compared, by plugin; None for what the plugins declare.

    Raises:
        RoostError: As `DatabaseMigrationService.check_schemas` raises it.
    """
    from roost.migrations import DatabaseMigrationService  # noqa: PLC0415 -- `roost --help` needs no migrations

    services = [one for one in orchestrator.get_migration_services() if isinstance(one, DatabaseMigrationService)]
    service = services[0] if services else DatabaseMigrationService(runtime)
    return await service.check_schemas(schemas)


def schema_source(text: str, *, schema: str | None) -> object:
    """Return what a person names as a declared schema.

    Args:
        text: A file or a folder with SQL, or ``module:attribute`` of SQLAlchemy's ``MetaData`` or the like.
        schema: The PostgreSQL schema that it is about; None for ``public``.

    Raises:
        BadUsage: There is no such file.
        BadTarget: The attribute can't be found.
        Exception: What its module raises.
    """
    from roost.schema import DeclaredSchema  # noqa: PLC0415 -- `roost --help` needs no schemas

    path = Path(text)
    if path.exists():
        source: object = path
    elif ":" in text:
        source = load_target(text)
    else:
        raise BadUsage(
            reason=f"There is no {text}", remedy="name a file or folder of SQL by --schema, or what declares tables as module:attribute"
        )
    return source if isinstance(source, DeclaredSchema) else DeclaredSchema(source, schema=schema or "public")
