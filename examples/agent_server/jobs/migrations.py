"""The tables of `jobs`: the SQL files that procrastinate itself ships, as they are."""

from __future__ import annotations

from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from roost import SqlMigrationService

PROCRASTINATE_VERSION = version("procrastinate")
SCHEMA = "jobs"


class JobsMigrations(SqlMigrationService):
    """Runs procrastinate's files in a PostgreSQL schema of their own; their version is procrastinate's."""

    service_name = "jobs-migration"
    schema = SCHEMA
    directory = Path(str(files("procrastinate"))) / "sql" / "migrations"
