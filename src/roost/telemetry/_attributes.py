"""What traces and metrics say of a database, a step and an error, by OpenTelemetry's stable conventions for databases.

Nothing here is SQL, and nothing a text that a server or a step has written: both may hold data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from roost.errors import DatabaseError
from roost.postgres import Database, sqlstate_of

if TYPE_CHECKING:
    from roost.migrations import StepFinished, StepStarted
    from roost.postgres import DatabaseURL
    from roost.runtime import Runtime

Attributes: TypeAlias = dict[str, str | int]

SYSTEM: Attributes = {"db.system.name": "postgresql"}


def attributes_of_database(runtime: Runtime) -> Attributes:
    """Return where a runtime's migrations happen, as far as its address tells without asking anybody."""
    if runtime.database is None:
        return {}
    try:
        return attributes_of_address(runtime.get_service(Database).migration_url)
    except DatabaseError:  # it has no address, or a bad one, which the run itself will tell
        return SYSTEM


def attributes_of_address(url: DatabaseURL) -> Attributes:
    """Return what an address tells. Which of several hosts answers is not known beforehand."""
    found = dict(SYSTEM)
    if url.database is not None:
        found["db.namespace"] = url.database
    if len(url.hosts) == 1:
        host, port = url.hosts[0]
        found["server.address"] = host
        if port is not None and not host.startswith("/"):
            found["server.port"] = port
    return found


def attributes_of_step(event: StepStarted | StepFinished) -> Attributes:
    """Return what a step is."""
    return {
        **SYSTEM,
        "db.operation.name": "migrate" if event.direction == "up" else "roll back",
        "roost.plugin": event.plugin,
        "roost.step": event.step,
        "roost.version": event.version,
        "roost.direction": event.direction,
    }


def attributes_of_error(error: BaseException) -> Attributes:
    """Return an error's class, and the SQLSTATE that the server gave with it."""
    found: Attributes = {"error.type": type_of_error(error)}
    state = sqlstate_of(error)
    if state is not None:
        found["db.response.status_code"] = state
    return found


def type_of_error(error: BaseException) -> str:
    """Return the full name of an error's class."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
