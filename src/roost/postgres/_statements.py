"""What a statement outside a transaction does, as far as its effect can be told from the catalogue. Plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from roost.postgres._quoting import quote_identifier


@dataclass(frozen=True, slots=True)
class ObjectName:
    """The name of a table, an index or a type, as a statement gives it. Its text is the name in quotes, as the server takes it.

    Attributes:
        name: Without its schema.
        schema: The schema; None where the search path finds it.
    """

    name: str
    schema: str | None = None

    def __str__(self) -> str:
        """Return the name in quotes."""
        return ".".join(quote_identifier(part) for part in (self.schema, self.name) if part is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildsIndex:
    """``CREATE INDEX CONCURRENTLY``.

    Attributes:
        name: The index; None where the server is to choose a name.
        table: Its table.
        strict: The statement without ``IF NOT EXISTS``, each sign in its place: over an index of that name it fails instead of passing.
        twin: The statement that makes the same index on a temporary table of the same name.
    """

    name: str | None
    table: ObjectName
    strict: str
    twin: str


@dataclass(frozen=True, slots=True)
class DropsIndex:
    """``DROP INDEX CONCURRENTLY`` of one index."""

    index: ObjectName


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildsIndexes:
    """``REINDEX … CONCURRENTLY``.

    Attributes:
        scope: Of what.
        of: The index or the table; of a schema its name; None for the whole database.
    """

    scope: Literal["index", "table", "schema", "database"]
    of: ObjectName | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DetachesPartition:
    """``ALTER TABLE … DETACH PARTITION … CONCURRENTLY``, or the ``FINALIZE`` that ends it."""

    parent: ObjectName
    partition: ObjectName


@dataclass(frozen=True, slots=True, kw_only=True)
class AddsEnumValue:
    """``ALTER TYPE … ADD VALUE``."""

    type: ObjectName
    value: str


@dataclass(frozen=True, slots=True)
class RunsAgain:
    """Maintenance, such as ``VACUUM`` or ``ANALYZE``: to run it once more changes nothing."""


@dataclass(frozen=True, slots=True)
class Sets:
    """``SET`` and ``RESET``: it lasts as long as the session."""


@dataclass(frozen=True, slots=True)
class FitsTransaction:
    """A statement that bears a transaction around it, so that its effect and the note of it live and die together."""


@dataclass(frozen=True, slots=True)
class ControlsTransaction:
    """``BEGIN``, ``COMMIT`` and their like."""


@dataclass(frozen=True, slots=True)
class Uncertain:
    """A statement whose effect nothing in the catalogue tells for sure, such as ``CALL``."""


Effect: TypeAlias = (
    BuildsIndex
    | DropsIndex
    | RebuildsIndexes
    | DetachesPartition
    | AddsEnumValue
    | RunsAgain
    | Sets
    | FitsTransaction
    | ControlsTransaction
    | Uncertain
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement of a text.

    Attributes:
        text: The statement, without the semicolon that ends it.
        start: How many characters of the text come before it.
        effect: What it does.
        refuses_transaction: Whether PostgreSQL refuses it inside a transaction.
    """

    text: str
    start: int
    effect: Effect
    refuses_transaction: bool = False
