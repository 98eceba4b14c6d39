"""Reads a directory of Alembic's, and runs its revisions one by one. The one room that knows alembic."""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import sha256
from io import StringIO
from pathlib import Path
from types import CodeType
from typing import Any, Literal, TypeAlias

from roost.errors import AlembicCommits, AlembicVersionsDiffer, InvalidAlembicDirectory, RoostError
from roost.interop._alembic_extra import of_extra

Direction: TypeAlias = Literal["up", "down"]

_FUNCTIONS: dict[Direction, str] = {"up": "upgrade", "down": "downgrade"}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlembicRevision:
    """A revision.

    Attributes:
        id: Its identifier.
        parents: The revisions that must be there before: those it revises, and those it depends on.
        description: Its message.
        fingerprint: Stands for its code, whatever the comments and the layout are.
        goes_back: Whether it has a way back.
    """

    id: str
    parents: tuple[str, ...]
    description: str
    fingerprint: str
    goes_back: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AlembicOptions:
    """What a project's ``env.py`` may say that counts when a revision runs.

    Attributes:
        version_table: Where Alembic keeps the heads.
        version_table_schema: That table's schema; None finds it by the search path.
        target_metadata: SQLAlchemy's MetaData, whose naming convention names what a revision leaves without a name.
    """

    version_table: str
    version_table_schema: str | None
    target_metadata: object | None


class AlembicDirectory:
    """The revisions of a directory, and what runs them.

    Args:
        path: A file such as ``alembic.ini``, or the folder with ``versions`` in it.
        options: What counts when one runs.

    Raises:
        InvalidAlembicDirectory: It can't be read.
        AlembicExtraMissing: alembic is not installed.
    """

    def __init__(self, path: str | Path, *, options: AlembicOptions) -> None:
        """Read all revisions, which imports their modules."""
        self._path = Path(path)
        self._options = options
        before = list(sys.path)
        try:
            config = _config(self._path)
            with warnings.catch_warnings():
                # A revision that is there twice, or not at all: alembic says so by a warning, and goes on or stumbles later.
                warnings.filterwarnings("error", r"Revision .* is (present more than once|not present)")
                self._script = of_extra("alembic.script").ScriptDirectory.from_config(config)
                found = list(self._script.walk_revisions())
            self.revisions: Sequence[AlembicRevision] = tuple(self._revision(script) for script in reversed(found))
        except RoostError:
            raise
        except Exception as error:
            # Some of these errors fill several lines.
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise InvalidAlembicDirectory(path=str(path), reason=reason) from error
        finally:
            # It puts what `prepend_sys_path` names in front, each time that somebody reads it.
            sys.path[:] = [*dict.fromkeys(entry for entry in sys.path if entry not in before), *before]
        self._config = config
        self._parents = {revision.id: revision.parents for revision in self.revisions}

    def _revision(self, script: Any) -> AlembicRevision:  # noqa: ANN401 -- alembic's Script
        revised = self._script.get_revisions(script.down_revision or ())
        needed = self._script.get_revisions(script.dependencies or ())
        return AlembicRevision(
            id=script.revision,
            parents=tuple(parent.revision for parent in (*revised, *needed) if parent is not None),
            description=" ".join((script.doc or "").split()) or script.revision,
            fingerprint=f"py:{sha256(ast.unparse(ast.parse(Path(script.path).read_bytes())).encode()).hexdigest()}",
            goes_back=hasattr(script.module, "downgrade"),
        )

    def ancestors(self, heads: Collection[str]) -> frozenset[str]:
        """Return some revisions with all that must be there before; those that the directory lacks are left out."""
        found: set[str] = set()
        rest = [head for head in heads if head in self._parents]
        while rest:
            revision = rest.pop()
            if revision not in found:
                found.add(revision)
                rest.extend(self._parents[revision])
        return frozenset(found)

    def code_of(self, revision: str, direction: Direction) -> CodeType | None:
        """Return the code of a revision's function, which says where it is written."""
        function = getattr(self._script.get_revision(revision).module, _FUNCTIONS[direction], None)
        code = getattr(function, "__code__", None)
        return code if isinstance(code, CodeType) else None

    def run(self, connection: object, *, revision: str, direction: Direction) -> None:
        """Run a revision, there or back, on a connection of SQLAlchemy's in whose transaction it is; Alembic's table is kept up.

        Args:
            connection: The connection.
            revision: The revision.
            direction: Whether it is applied or undone.

        Raises:
            AlembicVersionsDiffer: Alembic's table says something else than the ledger.
            AlembicCommits: The revision wants to commit in its middle.
            Exception: As the revision raises it.
        """
        steps = of_extra("alembic.runtime.migration").MigrationStep
        step = steps.upgrade_from_script if direction == "up" else steps.downgrade_from_script

        def taken(heads: tuple[str, ...], _: object) -> list[Any]:
            self._compare(heads, revision=revision, direction=direction)
            return [step(self._script.revision_map, self._script.get_revision(revision))]

        with self._environment(fn=taken) as environment:
            self._configure(environment, revision, connection=connection)
            environment.run_migrations()

    def as_sql(self, *, revision: str, direction: Direction) -> str | None:
        """Return the SQL of a revision, as Alembic writes it offline; None where it asks the database for something."""
        buffer = StringIO()
        module = self._script.get_revision(revision).module
        with self._environment(as_sql=True) as environment:
            self._configure(environment, revision, dialect_name="postgresql", output_buffer=buffer, literal_binds=True)
            with of_extra("alembic.operations").Operations.context(environment.get_context()):
                try:
                    getattr(module, _FUNCTIONS[direction])()
                except Exception:  # noqa: BLE001 -- what a revision needs a connection for shows as any kind of error
                    return None
        return buffer.getvalue().strip()

    def _environment(self, **options: object) -> AbstractContextManager[Any]:
        environment: AbstractContextManager[Any] = of_extra("alembic.runtime.environment").EnvironmentContext(
            self._config, self._script, **options
        )
        return environment

    def _configure(self, environment: Any, revision: str, **options: object) -> None:  # noqa: ANN401 -- alembic's EnvironmentContext
        environment.configure(
            version_table=self._options.version_table,
            version_table_schema=self._options.version_table_schema,
            target_metadata=self._options.target_metadata,
            **options,
        )

        def autocommit_block() -> None:
            raise AlembicCommits(revision=revision)

        environment.get_context().autocommit_block = autocommit_block

    def _compare(self, heads: Collection[str], *, revision: str, direction: Direction) -> None:
        unknown = tuple(head for head in heads if head not in self._parents)
        there = self.ancestors(heads)
        lacking = tuple(parent for parent in self._parents[revision] if parent not in there)
        children = tuple(child for child in there if revision in self._parents[child])
        differs: dict[str, tuple[str, ...]] = {}
        if unknown:
            differs = {"unknown": unknown}
        elif direction == "up" and (revision in there or lacking):
            differs = {"lacking": lacking} if lacking else {"ahead": (revision,)}
        elif direction == "down" and (revision not in there or children):
            differs = {"ahead": children} if children else {"lacking": (revision,)}
        if differs:
            raise AlembicVersionsDiffer(table=self._options.version_table, revision=revision, **differs)


def _config(path: Path) -> Any:  # noqa: ANN401 -- alembic's Config
    config_class = of_extra("alembic.config").Config
    if path.is_dir():
        if not (path / "versions").is_dir():
            raise InvalidAlembicDirectory(path=str(path), reason="there is no folder 'versions' in it")
        config = config_class()
        location: str | None = str(path.resolve())
    elif path.is_file():
        config = config_class(toml_file=str(path)) if path.suffix == ".toml" else config_class(str(path))
        location = config.get_alembic_option("script_location")
        if location is None:
            raise InvalidAlembicDirectory(path=str(path), reason="it names no script_location")
        # Alembic looks from the current directory, which is the file's where its commands run.
        beside = path.parent / location
        location = str(beside.resolve()) if ":" not in location and beside.is_dir() else None
    else:
        raise InvalidAlembicDirectory(path=str(path), reason="there is no such file or folder")
    if location is not None:
        config.set_main_option("script_location", location.replace("%", "%%"))
    return config
