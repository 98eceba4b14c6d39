"""A plugin's migrations as a directory of Alembic's."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, ClassVar

from roost.errors import InvalidService
from roost.interop._alembic import AlembicDirectory, AlembicOptions, AlembicRevision
from roost.interop._alembic_source import source_of
from roost.interop._alembic_turn import alone, alone_at_once
from roost.interop._lent_connection import run_lent
from roost.migrations import MigrationStep, PluginMigrationService
from roost.postgres import Database
from roost.runtime import location_of

if TYPE_CHECKING:
    from roost.interop._alembic import Direction
    from roost.runtime import Runtime


class AlembicMigrationService(PluginMigrationService):
    """Runs the revisions of an Alembic directory, each as a step of its own: under the lock, on the run's connection, in its transaction.

    A step's id is the revision's identifier. Branches, merges and dependencies are followed; Alembic's table of versions is kept up, so
    that ``alembic current`` agrees. The project's ``env.py`` is not run: what it says that counts is said here.

    Attributes:
        directory: The folder with ``versions`` in it, or a file such as ``alembic.ini`` that names it.
        version_table: Where Alembic keeps the heads.
        version_table_schema: The schema of that table; None finds it by the search path, which is the plugin's `schema`.
        target_metadata: SQLAlchemy's MetaData, whose naming convention names what revisions leave without a name.

    Raises:
        InvalidService: The class names no directory.
    """

    directory: ClassVar[str | Path]
    version_table: ClassVar[str] = "alembic_version"
    version_table_schema: ClassVar[str | None] = None
    target_metadata: ClassVar[object | None] = None

    def __init__(self, runtime: Runtime | None = None) -> None:
        """Bind to a runtime; nothing is read yet."""
        super().__init__(runtime)
        if not hasattr(self, "directory"):
            raise InvalidService(
                service=type(self).__name__,
                location=location_of(type(self)),
                reason="it names no directory",
                advice='write in its class: directory = "alembic.ini"',
            )
        self._read: AlembicDirectory | None = None
        self._source: str | None = None

    def load_steps(self) -> Sequence[MigrationStep]:
        """Return a step for each revision, those first that others stand on.

        Raises:
            InvalidAlembicDirectory: The directory can't be read.
            AlembicExtraMissing: alembic is not installed.
        """
        source = source_of(self.directory)
        if source != self._source:
            # What is settled is settled for these files, so that no older ones may be kept.
            self._source, self._read = source, None
        return [self._step(revision) for revision in self._alembic.revisions]

    def steps_source(self) -> str | None:
        """Return a hash of the files from which the revisions are read; None where only Alembic knows which these are."""
        return source_of(self.directory) if type(self).load_steps is AlembicMigrationService.load_steps else None

    def arrange(self, steps: list[MigrationStep], applied: Sequence[str], /) -> list[MigrationStep]:
        """Put applied revisions in front: those of another branch may follow them in any order.

        Where one that is not applied is missing below an applied one, the order stays as it is, and the plan says what is wrong.
        """
        by_id = {step.id: step for step in steps}
        front = {name: by_id[name] for name in applied if name in by_id}
        if self.revisions_below(front.keys()) - front.keys():
            return steps
        return [*front.values(), *(step for step in steps if step.id not in front)]

    def revisions_below(self, heads: Collection[str], /) -> frozenset[str]:
        """Return revisions with all that must be applied before them; those that the directory lacks are left out.

        Args:
            heads: The revisions.

        Raises:
            InvalidAlembicDirectory: The directory can't be read.
            AlembicExtraMissing: alembic is not installed.
        """
        return self._alembic.ancestors(heads)

    @property
    def _alembic(self) -> AlembicDirectory:
        # To read it is to import each revision's module, so it is done once, until a file changes.
        if self._read is None:
            options = AlembicOptions(
                version_table=self.version_table, version_table_schema=self.version_table_schema, target_metadata=self.target_metadata
            )
            self._read = AlembicDirectory(self.directory, options=options)
        return self._read

    def _step(self, revision: AlembicRevision) -> MigrationStep:
        return MigrationStep(
            revision.id,
            revision.description,
            up=_RevisionStep(self._alembic, self._database, revision=revision.id, direction="up"),
            down=_RevisionStep(self._alembic, self._database, revision=revision.id, direction="down") if revision.goes_back else None,
            fingerprint=revision.fingerprint,
        )

    def _database(self) -> Database:
        return self._bound().get_service(Database)


class _RevisionStep:
    """One way of a revision, as a step's function."""

    def __init__(self, directory: AlembicDirectory, database: Callable[[], Database], *, revision: str, direction: Direction) -> None:
        self._directory = directory
        self._database = database
        self._revision = revision
        self._direction = direction

    @property
    def __code__(self) -> CodeType | None:
        """The revision's own code, so that an error names its file and line."""
        return self._directory.code_of(self._revision, self._direction)

    async def __call__(self) -> None:
        run = partial(self._directory.run, revision=self._revision, direction=self._direction)
        async with alone(), self._database().acquire() as connection:
            await run_lent(connection, run)

    def as_sql(self) -> str | None:
        with alone_at_once() as free:
            return self._directory.as_sql(revision=self._revision, direction=self._direction) if free else None
