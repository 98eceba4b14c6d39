"""Where the reading of a plugin's statements stands: what they have made so far, and where unqualified names live. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from roost.migrations import _parse_tree as parts
from roost.migrations._claimed_objects import ClaimedObject, ClaimedObjects

if TYPE_CHECKING:
    from roost.migrations._claimed_objects import ColumnType, ObjectKind
    from roost.postgres import Tree

_KEPT_NAMES = frozenset({"CONSTR_CHECK", "CONSTR_UNIQUE", "CONSTR_PRIMARY", "CONSTR_FOREIGN", "CONSTR_EXCLUSION"})
"""The server throws away the names of other constraints, or does so before PostgreSQL 18."""


class NotLocated(Exception):  # noqa: N818 -- it is no error: what is not located is not looked for
    """A step has set the search path, so nobody knows where its unqualified names live."""


@dataclass(slots=True, eq=False)
class ClaimReading:
    """Reads a plugin's statements in the order in which they run.

    Attributes:
        plugin_schema: The PostgreSQL schema in which unqualified names live.
        schema: The same, as far as the present step leaves it alone; None after that.
        step: The step that is read.
        temporary: The temporary relations that it has made.
        objects: What the statements read so far leave behind.
    """

    plugin_schema: str
    schema: str | None = None
    step: str = ""
    temporary: set[str] = field(default_factory=set)
    objects: ClaimedObjects = field(default_factory=ClaimedObjects)

    def begin(self, step: str) -> None:
        """Go on to another step: the search path is the plugin's again, and temporary tables are gone."""
        self.step, self.schema = step, self.plugin_schema
        self.temporary.clear()

    def located(self, name: Sequence[str]) -> tuple[str, str]:
        """Return the schema of a name, and its last part.

        Raises:
            NotLocated: It names no schema, and the step has set the search path.
        """
        if len(name) > 1:
            return name[-2], name[-1]
        if self.schema is None:
            raise NotLocated
        return self.schema, name[-1]

    def relation(self, relation: Tree) -> tuple[str, str]:
        """Return a relation's schema and name; errors as of `located`."""
        return self.located(parts.name_of_relation(relation))

    def passes_by(self, relation: Tree) -> bool:
        """Tell whether a relation is none that stays."""
        return parts.is_temporary(relation) or ("schemaname" not in relation and relation["relname"] in self.temporary)

    def make(
        self,
        kind: ObjectKind,
        schema: str,
        name: str,
        *,
        parent: str = "",
        column_type: ColumnType | None = None,
        columns: frozenset[str] | None = frozenset(),
        is_kept: bool = False,
    ) -> None:
        """Note that the step makes something; where `is_kept`, only if nothing of that name is there."""
        made = ClaimedObject(step=self.step, kind=kind, schema=schema, name=name, parent=parent, type=column_type, columns=columns)
        self.objects.add(made, is_kept=is_kept)

    def make_relation(self, kind: ObjectKind, relation: Tree, *, parent: str = "", is_kept: bool = False) -> None:
        """Note that the step makes a relation; errors as of `located`."""
        if parts.is_temporary(relation):
            self.temporary.add(relation["relname"])
        else:
            self.make(kind, *self.relation(relation), parent=parent, is_kept=is_kept)

    def make_column(self, schema: str, table: str, column: Tree, *, is_kept: bool = False) -> None:
        """Note that the step makes a column, with the constraints that are written beside it."""
        name = column["colname"]
        if is_kept and self.objects.find("column", schema, name, parent=table) is not None:
            return
        self.make("column", schema, name, parent=table, column_type=self.column_type(column))
        for node in column.get("constraints", ()):
            self.make_constraint(schema, table, node["constraint"], column=name)

    def column_type(self, column: Tree) -> ColumnType | None:
        """Return the type that is written beside a column."""
        return parts.column_type(column.get("type_name"), home=self.schema or "")

    def make_constraint(self, schema: str, table: str, constraint: Tree, *, column: str | None = None) -> bool:
        """Note that the step makes a constraint, and tell whether it has a name to be looked for."""
        if "conname" not in constraint or constraint["contype"] not in _KEPT_NAMES:
            return False
        index = self.objects.find("index", schema, constraint["indexname"]) if "indexname" in constraint else None
        if index is not None:  # it takes the constraint's name
            self.objects.drop(index)
        columns = parts.columns_of_constraint(constraint)
        if columns is not None and column is not None:
            columns |= {column}
        self.make("constraint", schema, constraint["conname"], parent=table, columns=columns)
        return True

    def rename(self, kind: ObjectKind, schema: str, old: str, new: str, *, parent: str = "") -> None:
        """Note that the step gives something another name; it is there then, whoever made it."""
        found = self.objects.find(kind, schema, old, parent=parent)
        if found is None:
            self.make(kind, schema, new, parent=parent)
        else:
            self.objects.replace(found, replace(found, name=new, step=self.step))

    def lose(self, kind: ObjectKind, schema: str, name: str, *, parent: str = "") -> None:
        """Note that the step drops something."""
        found = self.objects.find(kind, schema, name, parent=parent)
        if found is not None:
            self.objects.drop(found)
