"""What the code declares, step by step, for who reads steps and runs none: a linter."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from roost.errors import RoostError
from roost.migrations._outside_statements import check_outside
from roost.migrations._plan import PluginState
from roost.migrations._protocol import keeps_ledger
from roost.migrations._repeatable_files import repeatable_of
from roost.migrations._sql_files import steps_of
from roost.migrations._sql_folder import SETTINGS, SqlFolder
from roost.migrations._sql_layout import is_flyway_name, is_flyway_repeatable, is_way_back
from roost.postgres import read_sql_file

if TYPE_CHECKING:
    from roost.migrations._config import Policy
    from roost.migrations._protocol import IMigrationService
    from roost.migrations._repeatable_step import RepeatableStep
    from roost.migrations._step import MigrationStep

_EMPTY = PluginState(version=None, applied=())


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredSteps:
    """The steps of one migration service.

    Attributes:
        plugin: Its plugin; None for files that are of no plugin.
        steps: Its versioned steps, in order.
        repeatable: Its repeatable steps, in order.
        source: The file in which the service's class is written; None where that can't be told.
        error: Why the steps can't be told; None where they can.
    """

    plugin: str | None
    steps: tuple[MigrationStep, ...] = ()
    repeatable: tuple[RepeatableStep, ...] = ()
    source: Path | None = None
    error: RoostError | None = None


def declared_steps(services: Sequence[IMigrationService], *, policy: Policy, plugin: str | None) -> list[DeclaredSteps]:
    """Return the steps of every service that keeps the ledger; others know for themselves what they do.

    Args:
        services: The services.
        policy: With which policy a plan is made.
        plugin: Only this plugin's.
    """
    found: list[DeclaredSteps] = []
    for service in services:
        if not keeps_ledger(service) or plugin not in (None, service.plugin_name):
            continue
        source = _source_of(service)
        try:
            plan = service.plan(_EMPTY, policy)
            steps = tuple(planned.step for planned in plan.steps)
            for step in steps:
                check_outside(step)
        except RoostError as error:
            found.append(DeclaredSteps(plugin=service.plugin_name, source=source, error=error))
            continue
        repeatable = tuple(planned.step for planned in plan.repeatable)
        found.append(DeclaredSteps(plugin=service.plugin_name, steps=steps, repeatable=repeatable, source=source))
    return found


def _source_of(service: object) -> Path | None:
    try:
        return Path(inspect.getfile(type(service)))
    except (TypeError, OSError):  # a class that was made without a module, or in a session of Python
        return None


def read_sql_step(path: str | Path) -> MigrationStep | RepeatableStep | None:
    """Read one file of SQL as the step that it is, or would be in a folder of migrations; a way back in a file beside it is not read.

    Returns:
        The step; None where the file is a way back, and no step of its own.

    Raises:
        InvalidSqlFile: It can't be read, is not UTF-8, holds a NUL byte or a command of psql, or has a wrong marker.
    """
    file = Path(path)
    if is_way_back(file.name):
        return None
    data = {file: read_sql_file(file)}
    settings = file.with_name(file.name + SETTINGS)
    read = {settings: read_sql_file(settings)} if is_flyway_name(file.name) and settings.is_file() else {}
    is_repeatable = is_flyway_repeatable(file.name)
    folder = SqlFolder(file.parent, {} if is_repeatable else data, data if is_repeatable else {}, settings=read)
    versioned = steps_of(folder)
    return versioned[0] if versioned else repeatable_of(folder.repeatable)[0]
