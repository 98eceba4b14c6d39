"""A plugin's migrations as a folder of SQL files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from roost.errors import InvalidService
from roost.migrations import _manifest_file as manifest
from roost.migrations._fingerprint import digest
from roost.migrations._plugin_service import PluginMigrationService
from roost.migrations._repeatable import in_turn
from roost.migrations._repeatable_files import read_repeatable
from roost.migrations._repeatable_step import RepeatableStep
from roost.migrations._reserved import check_schema
from roost.migrations._sql_files import steps_of
from roost.migrations._step import MigrationStep
from roost.migrations._versions import UNVERSIONED
from roost.runtime import location_of

if TYPE_CHECKING:
    from roost.migrations._config import Policy
    from roost.migrations._records import ManifestChanges
    from roost.runtime import Runtime


class SqlMigrationService(PluginMigrationService):
    """Runs the SQL files of a folder in their order, each once, each in a transaction of its own.

    The layouts, and the order in each, are those of `load_sql_steps`. The files have the version of the plugin. Those of a folder
    ``repeatable`` in it, and Flyway's repeatable ones, are run after them, and again whenever their text changes; they come after the
    service's own `repeatable`. Where the folder has a manifest, ``roost.sum``, a start with nothing to do reads that instead of the
    files; a start that has something to do, and every command, reads the files, and refuses those that are not as the manifest says.

    Attributes:
        directory: The folder.

    Raises:
        InvalidService: The class names no directory.
    """

    directory: ClassVar[str | Path]
    # The steps are loaded right before what is repeatable, and no other folder need be listed a second time for that.
    _may_be_flyways: bool = True

    def __init__(self, runtime: Runtime | None = None) -> None:
        """Bind to a runtime; nothing is read yet."""
        super().__init__(runtime)
        if not hasattr(self, "directory"):
            raise InvalidService(
                service=type(self).__name__,
                location=location_of(type(self)),
                reason="it names no directory",
                advice='write in its class: directory = Path(__file__).parent / "migrations"',
            )

    def load_steps(self) -> Sequence[MigrationStep]:
        """Read the files.

        Raises:
            InvalidSqlFile: The folder or a file can't be used.
            InvalidManifest: The folder's manifest can't be used.
            ManifestMismatch: The folder's manifest is not that of its files.
        """
        folder = manifest.read_proven(self.directory)
        self._may_be_flyways = folder.layout == "flyway"
        return steps_of(folder)

    def load_repeatable(self) -> Sequence[RepeatableStep]:
        """Read the repeatable files.

        Raises:
            InvalidSqlFile: The folder or a file can't be used.
        """
        return [*self.repeatable, *read_repeatable(self.directory, of_flyway=self._may_be_flyways)]

    def manifest_hash(self) -> str | None:
        """Return what stands for all files of the folder, without looking at one; None where there is no manifest.

        Raises:
            InvalidManifest: It can't be used.
        """
        return manifest.folder_hash(self.directory)

    def prove_files(self) -> None:
        """Hold the files against the manifest; where there is none, read nothing.

        Raises:
            InvalidSqlFile: The folder or a file can't be read.
            InvalidManifest: The manifest can't be used.
            ManifestMismatch: The manifest is not that of the files.
            UnknownRepeatable: A repeatable file comes after one that is not there.
            RepeatableCycle: Repeatable files come after each other.
        """
        if self.manifest_hash() is not None:
            manifest.read_proven(self.directory)
            in_turn(self.load_repeatable(), plugin=self.plugin_name)

    def write_manifest(self) -> ManifestChanges:
        """Write the folder's manifest as its files are now; one that is right already is left untouched.

        Returns:
            What is different from before.

        Raises:
            InvalidSqlFile: The files can't be used as migrations; nothing is written then.
            ManifestNotWritten: The folder can't be written to.
        """
        return manifest.write_manifest(self.directory)

    def declaration(self, policy: Policy, /) -> str:
        """Return the digest of what the code declares: the manifest, where it stands for the steps, else the steps."""
        stands_for_all = self._manifest_of_steps()
        if stands_for_all is None:
            return super().declaration(policy)
        check_schema(self.schema)
        own = self._parts_of(self.repeatable)
        return digest(["manifest", policy, self._aim(), self._version(), stands_for_all, *own])

    def target_version(self) -> str | None:
        """Return the version the code aims at; None without any step."""
        return super().target_version() if self._manifest_of_steps() is None else self._aim()

    def _manifest_of_steps(self) -> str | None:
        # Who computes steps, or makes others of them than the files are, has said more than the manifest knows.
        cls = type(self)
        if cls.load_steps is not SqlMigrationService.load_steps or cls.load_repeatable is not SqlMigrationService.load_repeatable:
            return None
        if self._computes_steps():
            return None
        return self.manifest_hash()

    def _aim(self) -> str:
        own = type(self).get_target_version is not PluginMigrationService.get_target_version
        return self.get_target_version() if own else self._version()

    def _version(self) -> str:
        plugin = self._owner()
        return (plugin.version if plugin is not None else None) or UNVERSIONED
