"""What steps leave in a database, object by object, while they are read one after another. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

ObjectKind: TypeAlias = Literal[
    "schema",
    "extension",
    "table",
    "view",
    "materialized view",
    "index",
    "sequence",
    "relation",
    "type",
    "value",
    "function",
    "column",
    "constraint",
    "trigger",
]

_RELATIONS = frozenset({"table", "view", "materialized view", "index", "sequence", "relation"})
"""These share their names: ``ALTER TABLE`` renames any of them."""

_UNDER_RELATION = frozenset({"column", "constraint", "trigger", "index"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnType:
    """A column's type as a step writes it.

    Attributes:
        name: The parts of its name; a type that PostgreSQL has a word for comes as ``("pg_catalog", …)``.
        modifiers: What stands in its parentheses; None where that can't be compared.
        is_array: Whether it is an array of that.
        home: The schema in which a name without one lives, unless PostgreSQL itself has a type of that name; empty where nobody knows.
    """

    name: tuple[str, ...]
    modifiers: tuple[str, ...] | None = ()
    is_array: bool = False
    home: str = ""

    @property
    def text(self) -> str:
        """The type as people write it."""
        name = ".".join(part for part in self.name if part != "pg_catalog")
        modifiers = f"({','.join(self.modifiers)})" if self.modifiers else ""
        return f"{name}{modifiers}{'[]' if self.is_array else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedObject:
    """Something that is there once the steps have run.

    Attributes:
        step: The step that made it, or gave it its present name or type.
        kind: What it is; ``"relation"`` where a step only renames it, and does not say what it is.
        schema: Its schema; empty for schemas and extensions.
        name: Its name.
        parent: The table of a column, constraint, trigger or index, the type of a value, the parent of a partition, what tells a
            function from others of its name; else empty.
        type: A column's type, where the step says it.
        columns: The columns that an index or a constraint goes with; None where any may be among them.
    """

    step: str
    kind: ObjectKind
    schema: str
    name: str
    parent: str = ""
    type: ColumnType | None = None
    columns: frozenset[str] | None = frozenset()

    @property
    def label(self) -> str:
        """What people call it."""
        of_another = self.kind in ("column", "value") or (self.kind in ("constraint", "trigger") and self.parent)
        owner = f"{self.schema}." if self.schema else ""
        return f"{self.kind} {owner}{f'{self.parent}.' if of_another else ''}{self.name}"

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What tells it from all others."""
        if self.kind in _RELATIONS:
            return "relation", self.schema, "", self.name
        return self.kind, self.schema, self.parent, self.name


class ClaimedObjects:
    """The objects that the steps read so far leave behind."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._objects: dict[tuple[str, str, str, str], ClaimedObject] = {}

    def __iter__(self) -> Iterator[ClaimedObject]:
        return iter(list(self._objects.values()))

    def add(self, made: ClaimedObject, *, is_kept: bool = False) -> None:
        """Add an object, in the place of one of that name unless that is kept, as after ``IF NOT EXISTS``."""
        if not (is_kept and made.key in self._objects):
            self._objects[made.key] = made

    def find(self, kind: ObjectKind, schema: str, name: str, *, parent: str = "") -> ClaimedObject | None:
        """Return an object; None where no step made it."""
        return self._objects.get(ClaimedObject(step="", kind=kind, schema=schema, name=name, parent=parent).key)

    def functions(self, schema: str, name: str) -> list[ClaimedObject]:
        """Return the functions of a name."""
        return [one for one in self if (one.kind, one.schema, one.name) == ("function", schema, name)]

    def replace(self, old: ClaimedObject, new: ClaimedObject) -> None:
        """Put an object in the place of another; what belongs to that one belongs to it."""
        belonging = [one for one in self if _belongs(one, old)]
        for one in (old, *belonging):
            del self._objects[one.key]
        self.add(new)
        for one in belonging:
            # A partition may live in another schema than its parent.
            self.add(replace(one, schema=one.schema if one.kind == "table" else new.schema, parent=new.name))

    def drop(self, gone: ClaimedObject) -> None:
        """Take an object away, and all that goes with it."""
        self._objects.pop(gone.key, None)
        for one in self:
            if _belongs(one, gone) or (gone.kind == "column" and _stands_on(one, gone)):
                self.drop(one)

    def rename_column(self, schema: str, table: str, old: str, new: str) -> None:
        """Tell indexes and constraints that a column has another name."""
        for one in self:
            if (one.schema, one.parent) == (schema, table) and one.columns is not None and old in one.columns:
                self.add(replace(one, columns=one.columns - {old} | {new}))

    def rename_type(self, old: tuple[str, ...], new: tuple[str, ...]) -> None:
        """Tell columns that their type has another name."""
        for one in self:
            if one.type is not None and old in (one.type.name, (one.type.home, *one.type.name)):
                self.add(replace(one, type=replace(one.type, name=new)))

    def rename_schema(self, old: str, new: str) -> None:
        """Move all objects of a schema to another name."""
        for one in self:
            if one.schema == old:
                del self._objects[one.key]
                self.add(replace(one, schema=new))

    def forget_dependants(self) -> None:
        """Forget all that ``CASCADE`` may have taken along. Schemas, extensions and tables that are no partitions stay without it."""
        for one in self:
            if one.kind not in ("schema", "extension") and (one.kind != "table" or one.parent):
                del self._objects[one.key]


def _belongs(one: ClaimedObject, owner: ClaimedObject) -> bool:
    if one.schema != owner.schema or one.parent != owner.name or one.key == owner.key:
        return False
    if owner.kind in _RELATIONS:
        return one.kind in _UNDER_RELATION or one.kind == "table"
    return owner.kind == "type" and one.kind in ("value", "constraint")


def _stands_on(one: ClaimedObject, column: ClaimedObject) -> bool:
    is_near = (one.schema, one.parent) == (column.schema, column.parent) and one.kind in ("index", "constraint")
    return is_near and (one.columns is None or column.name in one.columns)
