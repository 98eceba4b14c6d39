"""Judges a statement by what is in the database and what is declared: what it means, and what it would lose. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from roost.schema._changes import SchemaChange
from roost.schema._definitions import enum_labels, is_generated, type_of_column
from roost.schema._guard import loss_name
from roost.schema._types import judge_type_change

if TYPE_CHECKING:
    from roost.schema._catalogue import SchemaObject
    from roost.schema._changes import Identity, Risk
    from roost.schema._reading import Reading

Judgement = tuple["Risk", str, tuple[str, ...]]

_NOT_BACK = frozenset({"AT_DropIdentity", "new value"})
"""What loses nothing, and can't be taken back all the same."""


class Judge:
    """What is known of the objects before and after, for one plugin."""

    def __init__(
        self,
        *,
        schema: str,
        renames: Sequence[tuple[str, str]],
        real: Mapping[Identity, SchemaObject],
        declared: Mapping[Identity, SchemaObject],
        rebuilt: Collection[Identity],
    ) -> None:
        """Take what is known.

        Args:
            schema: The plugin's schema.
            renames: Its hints for renames, of which those of an enum's values are judged here.
            real: The objects of the database.
            declared: The declared ones, under the names that the database has now.
            rebuilt: Columns that are dropped and added again.
        """
        self._schema = schema
        self._renames = set(renames)
        self._real = real
        self._declared = declared
        self._rebuilt = rebuilt
        self._relations = {(schema, name) for kind, schema, _, name in real if kind.endswith(("table", "view"))}

    def change(self, reading: Reading, of: Identity) -> SchemaChange:
        """Make a change of a statement.

        Args:
            reading: The statement.
            of: What it is about.
        """
        risk, why, loses = self._judged(reading, of)
        is_new = bool(of[2]) and (of[1], of[2]) not in self._relations
        if is_new:
            risk, why = "safe", f"{why}; the table is new"
        return SchemaChange(
            sql=reading.sql,
            object=of,
            verb=reading.verb,
            # A foreign key locks the table that it points to, which may be an old one.
            lock="" if is_new and reading.form != "CONSTR_FOREIGN" else reading.lock,
            risk=risk,
            is_reversible=not loses and reading.form not in _NOT_BACK,
            loses=loses,
            why=why,
        )

    def _judged(self, reading: Reading, of: Identity) -> Judgement:
        if reading.form == "AT_AlterColumnType":
            return self._retyped(of)
        if reading.form == "AT_DropColumn" and of in self._rebuilt and of in self._real and is_generated(self._real[of].definition):
            return "rewriting", "the column is computed from others, and is computed anew", ()
        if reading.form == "rename of a type":
            return self._remade(of, reading.why)
        if reading.form == "rename of a value" and self._is_hinted(reading, of):
            return "safe", "renames a value, as the hint says", ()
        if reading.risk != "data-losing":
            return reading.risk, reading.why, ()
        return reading.risk, reading.why, (loss_name(of, schema=self._schema, part=reading.old_value),)

    def _is_hinted(self, reading: Reading, of: Identity) -> bool:
        pairs = [(f"{name}.{reading.old_value}", f"{name}.{reading.new_name}") for name in (of[3], f"{of[1]}.{of[3]}")]
        return not self._renames.isdisjoint(pairs)

    def _retyped(self, of: Identity) -> Judgement:
        before, after = self._real.get(of), self._declared.get(of)
        if before is None or after is None:  # what is not known may lose
            return "data-losing", "changes the type of a column that is not known here", (loss_name(of, schema=self._schema),)
        old, new = type_of_column(before.definition), type_of_column(after.definition)
        if old == new:
            return "rewriting", "writes each value anew, in the same type", ()
        if is_generated(after.definition):
            return "rewriting", "the column is computed from others, and is computed anew", ()
        judged = judge_type_change(old, new)
        if judged.is_lossless:
            return ("rewriting" if judged.rewrites else "safe"), judged.why, ()
        return "data-losing", judged.why, (loss_name(of, schema=self._schema),)

    def _remade(self, of: Identity, why: str) -> Judgement:
        before, after = (enum_labels(side[of].definition) if of in side else () for side in (self._real, self._declared))
        gone = [label for label in before if label not in after]
        if not gone:
            return "rewriting", why, ()
        losses = tuple(loss_name(of, schema=self._schema, part=label) for label in gone)
        return "data-losing", f"takes {', '.join(map(repr, gone))} from the values of the type", losses


def rename_candidates(
    changes: Sequence[SchemaChange], *, schema: str, real: Mapping[Identity, SchemaObject], declared: Mapping[Identity, SchemaObject]
) -> tuple[tuple[str, str], ...]:
    """Return pairs of what goes and what comes that could be one thing under two names.

    Args:
        changes: A plugin's changes.
        schema: Its schema.
        real: The objects of the database.
        declared: The declared ones, under the names that the database has now.
    """
    gone = [change.object for change in changes if change.verb == "drop" and change.loses and change.object[0] in {"table", "column"}]
    come = [change.object for change in changes if change.verb == "create" and change.object[0] in {"table", "column"}]
    alike = [(old, new) for old in gone for new in come if new[:3] == old[:3] and new != old and _is_alike(old, new, real, declared)]
    pairs: dict[Identity, Identity] = {}
    for old, new in sorted(alike, key=lambda pair: -_likeness(pair[0], pair[1], real, declared)):
        if old not in pairs and new not in pairs.values():
            pairs[old] = new
    return tuple((loss_name(old, schema=schema), loss_name(pairs[old], schema=schema)) for old in gone if old in pairs)


def _is_alike(old: Identity, new: Identity, real: Mapping[Identity, SchemaObject], declared: Mapping[Identity, SchemaObject]) -> bool:
    if old[0] == "table":
        return _likeness(old, new, real, declared) > 1 / 2
    if old not in real or new not in declared:
        return False
    return judge_type_change(type_of_column(real[old].definition), type_of_column(declared[new].definition)).is_lossless


def _likeness(old: Identity, new: Identity, real: Mapping[Identity, SchemaObject], declared: Mapping[Identity, SchemaObject]) -> float:
    """Return how alike two are: tables by the names of their columns, up to 1; columns by their definitions and names, up to 2."""
    if old[0] == "column":
        is_same = real[old].definition == declared[new].definition
        return is_same + SequenceMatcher(a=old[3], b=new[3], autojunk=False).ratio()
    before = {name for kind, schema, parent, name in real if (kind, schema, parent) == ("column", old[1], old[3])}
    after = {name for kind, schema, parent, name in declared if (kind, schema, parent) == ("column", new[1], new[3])}
    return len(before & after) / max(len(before | after), 1)
