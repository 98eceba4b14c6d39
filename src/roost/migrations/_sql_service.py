"""A plugin's migrations as a folder of SQL files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from roost.migrations._plugin_service import PluginMigrationService
from roost.migrations._sql_files import load_sql_steps
from roost.migrations._step import MigrationStep


class SqlMigrationService(PluginMigrationService):
    """Runs the SQL files of a folder in the order of their names, each once, each in a transaction of its own.

    The layouts are those of `load_sql_steps`. The files have the version of the plugin.

    Attributes:
        directory: The folder.
    """

    directory: ClassVar[str | Path]

    def load_steps(self) -> Sequence[MigrationStep]:
        """Read the files.

        Raises:
            InvalidSqlFile: The folder or a file can't be used.
        """
        return load_sql_steps(self.directory)
