"""The objects of schemas as values, each with a definition that is equal in two databases when the object is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class SchemaObject:
    """One object of a schema, and all that a dump would say about it but its owner and its privileges.

    Attributes:
        kind: Such as ``"schema"``, ``"table"``, ``"column"``, ``"constraint"``, ``"index"``, ``"view"``, ``"materialized view"``,
            ``"sequence"``, ``"type"``, ``"function"``, ``"trigger"`` or ``"policy"``.
        schema: The PostgreSQL schema that it is in; its own name where it is one.
        parent: The relation or domain of a column, constraint, index, trigger or policy; empty for everything else.
        name: Its name; behind that of a function stand the types of its arguments.
        definition: What it is, in canonical text.
    """

    kind: str
    schema: str
    parent: str
    name: str
    definition: str

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What it is called: kind, schema, parent and name."""
        return self.kind, self.schema, self.parent, self.name
