"""Gives changes of large tables the forms in which nobody waits for them who reads or writes. Pure.

What would read a table, or build an index of it, while writers are held off, becomes several statements: a rule that holds for new rows,
then a look at the old ones beside everybody else; an index that is built beside everybody else, then the constraint that takes it. What is
not proven to mean the same afterwards stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from roost.postgres import check_condition, index_terms, quote_identifier
from roost.schema._changes import SchemaChange, Stage
from roost.schema._classification import read_statement
from roost.schema._definitions import is_invalid, is_not_null, is_same_index
from roost.schema._reading import relation_of
from roost.schema._row_counts import Place, refuse_by_check, refuse_duplicates, refuse_nulls, refuse_orphans
from roost.schema._temporary_names import temporary_name
from roost.schema._whole_change import Piece, TableName, WholeChange, columns_in, names_users_code, piece_of

if TYPE_CHECKING:
    from roost.schema._catalogue import SchemaObject
    from roost.schema._changes import Identity

_INDEX = re.compile(r'CREATE (?P<unique>UNIQUE )?INDEX (?P<name>"(?:[^"]|"")*"|[^\s"]+) ON ')


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A change whose long statements are apart.

    Attributes:
        counts: Statements that fail where rows violate what is to come.
        changes: The main transaction.
        apart: What follows it.
        made_meanwhile: The names of what is there only meanwhile.
    """

    counts: tuple[str, ...] = ()
    changes: tuple[SchemaChange, ...]
    apart: tuple[Stage, ...] = ()
    made_meanwhile: frozenset[str] = frozenset()


@dataclass(slots=True, kw_only=True)
class _Parts:
    """What becomes of one statement, place by place."""

    counts: list[str] = field(default_factory=list)
    main: list[SchemaChange] = field(default_factory=list)
    built: list[SchemaChange] = field(default_factory=list)
    validated: list[SchemaChange] = field(default_factory=list)
    strict: list[SchemaChange] = field(default_factory=list)
    attached: list[SchemaChange] = field(default_factory=list)
    meanwhile: list[str] = field(default_factory=list)
    is_late: bool = False

    def add(self, other: _Parts) -> None:
        """Take another's parts too."""
        self.counts += other.counts
        self.main += other.main
        self.built += other.built
        self.validated += other.validated
        self.strict += other.strict
        self.attached += other.attached
        self.meanwhile += other.meanwhile


def beside_others(
    changes: Sequence[SchemaChange],
    *,
    before: Sequence[SchemaChange],
    large: Collection[TableName],
    real: Mapping[Identity, SchemaObject],
) -> Split:
    """Give changes of large tables the forms in which nobody waits for them.

    Args:
        changes: The main transaction of a change, in order.
        before: What is committed before it.
        large: The tables that are large, by schema and name.
        real: The objects of the database.
    """
    if not large:
        return Split(changes=tuple(changes))
    pieces = [piece_of(change) for change in changes]
    whole = WholeChange(pieces, before=before)
    tables = {table for table in large if not whole.is_moving(table)}
    splitter = _Splitter(whole, real)
    split = {index: splitter.parts(piece) for index, piece in enumerate(pieces) if piece.table in tables}
    parts = {index: found for index, found in split.items() if found is not None}
    late_drops = _late_drops(pieces, parts, whole, real)
    comments = [comment for index in parts if parts[index].is_late for comment in whole.comments_on(pieces[index])]
    total = _Parts()
    for index, piece in enumerate(pieces):
        if index in parts:
            total.add(parts[index])
        elif index not in late_drops and piece not in comments:
            total.main.append(piece.change)
    last = [pieces[index].change for index in late_drops] + total.strict + total.attached + [piece.change for piece in comments]
    apart = [Stage(changes=(change,), is_transaction=False) for change in total.built]
    apart += [Stage(changes=(change,)) for change in total.validated]
    if not apart:
        return Split(changes=(*total.main, *last), made_meanwhile=frozenset(total.meanwhile))
    return Split(
        counts=tuple(total.counts),
        changes=tuple(total.main),
        apart=(*apart, Stage(changes=tuple(last))),
        made_meanwhile=frozenset(total.meanwhile),
    )


def _late_drops(
    pieces: Sequence[Piece], parts: Mapping[int, _Parts], whole: WholeChange, real: Mapping[Identity, SchemaObject]
) -> list[int]:
    """Return which statements drop an index that is better kept until the new ones are there."""
    growing = {pieces[index].table for index, found in parts.items() if found.is_late}
    made = {
        (piece.change.object[1], piece.change.object[3])
        for index, piece in enumerate(pieces)
        if piece.change.verb == "create" and piece.change.object[0] in {"index", "constraint"} and index not in parts
    }
    found = []
    for index, piece in enumerate(pieces):
        kind, schema, table, name = of = piece.change.object
        if piece.change.verb != "drop" or (schema, table) not in growing or (schema, name) in made or of not in real:
            continue
        is_index = kind == "index" or (kind == "constraint" and real[of].definition.startswith("UNIQUE"))
        if is_index and not is_invalid(real[of].definition) and _can_wait(piece, whole, real):
            found.append(index)
    return found


def _can_wait(dropping: Piece, whole: WholeChange, real: Mapping[Identity, SchemaObject]) -> bool:
    """Tell whether an index may be dropped behind the main transaction."""
    _, schema, table, name = of = dropping.change.object
    # A new foreign key would take whichever of two keys it finds first, and hold on to it.
    could_be_taken = (schema, table) in whole.referenced and real[of].definition.startswith(("UNIQUE", "CREATE UNIQUE"))
    return whole.can_wait((schema, table), name) and not could_be_taken


class _Splitter:
    """Takes single statements apart."""

    def __init__(self, whole: WholeChange, real: Mapping[Identity, SchemaObject]) -> None:
        self._whole = whole
        self._real = real

    def parts(self, piece: Piece) -> _Parts | None:
        """Take a statement about a large table apart; None where it stays as it is."""
        if piece.kind == "index_stmt":
            return self._index(piece)
        if piece.form == "AT_SetNotNull":
            return self._not_null(piece)
        if piece.form == "AT_ValidateConstraint":
            return _Parts(validated=[piece.change])
        constraint = piece.constraint
        if not constraint or constraint.get("skip_validation"):
            return None
        return {
            "CONSTR_CHECK": self._check,
            "CONSTR_FOREIGN": self._foreign_key,
            "CONSTR_UNIQUE": self._key,
            "CONSTR_PRIMARY": self._key,
        }.get(constraint["contype"], _nothing)(piece)

    def _check(self, piece: Piece) -> _Parts | None:
        condition = check_condition(piece.change.sql)
        columns = columns_in(piece.constraint["raw_expr"])
        if condition is None or columns is None or self._is_in_flux(piece, columns, piece.constraint["raw_expr"]):
            return None
        return _Parts(
            counts=[refuse_by_check(_place(piece), condition)],
            main=[_not_valid(piece)],
            validated=[_validating(piece.change.object, piece.change)],
        )

    def _foreign_key(self, piece: Piece) -> _Parts | None:
        constraint, table = piece.constraint, piece.table
        columns = [str(node["string"]["sval"]) for node in constraint["fk_attrs"]]
        keys = [str(node["string"]["sval"]) for node in constraint.get("pk_attrs", ())]
        referenced = relation_of(constraint["pktable"])
        counts: list[str] = []
        if constraint.get("fk_with_period") or len(keys) != len(columns):
            return None
        if not any(self._whole.is_empty_column(table, name) for name in columns) or constraint.get("fk_matchtype") == "f":
            remade = [self._whole.is_remade(table, name) for name in columns] + [self._whole.is_remade(referenced, name) for name in keys]
            sides = [("column", *table, name) for name in columns] + [("column", *referenced, name) for name in keys]
            # Two columns that are sorted in different ways can't stand in one comparison.
            if any(remade) or any(" COLLATE " in self._real[one].definition for one in sides if one in self._real):
                return None
            is_new = referenced in self._whole.made
            there = None if is_new else f"{quote_identifier(referenced[0])}.{quote_identifier(referenced[1])}"
            is_full = constraint.get("fk_matchtype") == "f"
            counts = [refuse_orphans(_place(piece), columns=columns, referenced=there, keys=keys, is_full=is_full)]
        return _Parts(counts=counts, main=[_not_valid(piece)], validated=[_validating(piece.change.object, piece.change)])

    def _not_null(self, piece: Piece) -> _Parts | None:
        *_, column = piece.change.object
        if not self._may_wait_for_nulls(piece.table, column):
            return None
        if any(column in _keys_of(other) for other in self._whole.pieces if other.table == piece.table and self._is_plain_key(other)):
            return None
        return self._strict_column(piece.table, column, piece.change)

    def _may_wait_for_nulls(self, table: TableName, column: str) -> bool:
        forms = self._whole.forms(table, column)
        return not (
            self._whole.is_remade(table, column)
            or "AT_AddIdentity" in forms
            or self._whole.adds_to(table, "AT_ReplicaIdentity")
            or ("column", *table, column) not in self._real
        )

    def _strict_column(self, table: TableName, column: str, change: SchemaChange) -> _Parts:
        """Make a column NOT NULL by a check, which the server takes for a proof."""
        place = Place(schema=table[0], table=table[1], name=column)
        name = temporary_name("not null", *table, column)
        of: Identity = ("constraint", *table, name)
        there = self._real.get(of)
        found = _Parts(counts=[refuse_nulls(place)], meanwhile=[name])
        if there is None:
            add = f"ALTER TABLE {place.sql} ADD CONSTRAINT {name} CHECK ({quote_identifier(column)} IS NOT NULL) NOT VALID;"
            found.main.append(_change(add, of, change))
        if there is None or there.definition.endswith(" NOT VALID"):
            found.validated.append(_validating(of, change))
        strict = f"ALTER TABLE {place.sql} ALTER COLUMN {quote_identifier(column)} SET NOT NULL;"
        why = "lets the column be empty no more; a check that holds spares reading the table"
        found.strict = [
            replace(_change(strict, ("column", *table, column), change), risk="safe", why=why),
            _change(f"ALTER TABLE {place.sql} DROP CONSTRAINT {name};", of, change),
        ]
        return found

    def _index(self, piece: Piece) -> _Parts | None:
        _, schema, _, name = of = piece.change.object
        counts: list[str] = []
        matched, terms = _INDEX.match(piece.change.sql), index_terms(piece.change.sql)
        if matched is None or terms is None or self._whole.depends_on(piece):
            return None
        if piece.tree.get("unique"):
            if piece.table in self._whole.referenced:
                return None
            could = self._duplicates(piece, terms)
            if could is None:
                return None
            counts = could
        old = self._whole.dropping(piece.table, name)
        there = self._real.get(of)
        unique = matched["unique"] or ""
        rest = piece.change.sql[matched.end() :]
        if old is None or (there is not None and is_invalid(there.definition)):
            concurrently = f"CREATE {unique}INDEX CONCURRENTLY {matched['name']} ON {rest}"
            return _Parts(counts=counts, built=[_change(concurrently, of, piece.change)], is_late=True)
        if old.change.object not in self._real or not _can_wait(old, self._whole, self._real):
            return None
        # The old one serves until the new one is there.
        other = temporary_name("index", piece.change.sql)
        concurrently = f"CREATE {unique}INDEX CONCURRENTLY {other} ON {rest}"
        renamed = f"ALTER INDEX {quote_identifier(schema)}.{other} RENAME TO {quote_identifier(name)};"
        return _Parts(
            counts=counts,
            built=self._built(concurrently, ("index", *piece.table, other), piece.change),
            attached=[_change(renamed, of, piece.change)],
            meanwhile=[other],
            is_late=True,
        )

    def _duplicates(self, piece: Piece, terms: tuple[tuple[str, ...], str]) -> list[str] | None:
        """Return what counts duplicates of an index; None where nobody can tell before the main transaction."""
        elements = [node["index_elem"] for node in piece.tree["index_params"]]
        parts = [elements, piece.tree.get("where_clause", {})]
        named = [{"column_ref": {"fields": [{"string": {"sval": one["name"]}}]}} for one in elements if "name" in one]
        columns = columns_in([*parts, *named])
        if columns is None or any("opclass" in one or "collation" in one for one in elements):
            return None
        nulls_are_equal = bool(piece.tree.get("nulls_not_distinct"))
        if self._has_empty_key(piece.table, [str(one.get("name", "")) for one in elements], nulls_are_equal=nulls_are_equal):
            return []
        if self._is_in_flux(piece, columns, parts):
            return None
        return [refuse_duplicates(_place(piece), keys=terms[0], condition=terms[1], nulls_are_equal=nulls_are_equal)]

    def _has_empty_key(self, table: TableName, columns: Sequence[str], *, nulls_are_equal: bool) -> bool:
        return not nulls_are_equal and any(self._whole.is_empty_column(table, name) for name in columns)

    def _key(self, piece: Piece) -> _Parts | None:
        if self._is_plain_key(piece):
            return None
        constraint, table = piece.constraint, piece.table
        place, of, name = _place(piece), piece.change.object, piece.change.object[3]
        is_primary = constraint["contype"] == "CONSTR_PRIMARY"
        nulls_are_equal = bool(constraint.get("nulls_not_distinct"))
        keys = [quote_identifier(column) for column in _keys_of(piece)]
        included = ", ".join(quote_identifier(str(node["string"]["sval"])) for node in constraint.get("including", ()))
        found = _Parts(is_late=True)
        if is_primary:
            for column in _keys_of(piece):
                if not is_not_null(self._real["column", *table, column].definition) and not self._becomes_strict(table, column):
                    found.add(self._strict_column(table, column, piece.change))
        if not self._has_empty_key(table, _keys_of(piece), nulls_are_equal=nulls_are_equal):
            found.counts.append(refuse_duplicates(place, keys=keys, nulls_are_equal=nulls_are_equal))
        behind = f"({', '.join(keys)}){f' INCLUDE ({included})' if included else ''}{' NULLS NOT DISTINCT' if nulls_are_equal else ''}"
        other = temporary_name("key", *table, name, behind)
        found.meanwhile.append(other)
        found.built = self._built(
            f"CREATE UNIQUE INDEX CONCURRENTLY {other} ON {place.sql} {behind};", ("index", *table, other), piece.change
        )
        kind = "PRIMARY KEY" if is_primary else "UNIQUE"
        later = f"{' DEFERRABLE' if constraint.get('deferrable') else ''}{' INITIALLY DEFERRED' if constraint.get('initdeferred') else ''}"
        attach = f"ALTER TABLE {place.sql} ADD CONSTRAINT {quote_identifier(name)} {kind} USING INDEX {other}{later};"
        found.attached = [_change(attach, of, piece.change)]
        return found

    def _is_plain_key(self, piece: Piece) -> bool:
        """Tell whether a statement adds a key in its plain form, as one of another kind or because it can't be taken apart."""
        constraint, whole, table = piece.constraint, self._whole, piece.table
        if constraint.get("contype") not in {"CONSTR_UNIQUE", "CONSTR_PRIMARY"}:
            return False
        if any(constraint.get(word) for word in ("without_overlaps", "options", "indexspace", "indexname")):
            return True
        if table in whole.referenced or whole.reads_keys or whole.depends_on(piece):
            return True
        columns = _keys_of(piece)
        is_primary = constraint["contype"] == "CONSTR_PRIMARY"
        if is_primary:
            return self._drops_primary_key(table) or not all(self._may_wait_for_nulls(table, column) for column in columns)
        name = piece.change.object[3]
        if whole.dropping(table, name) is not None and not whole.can_wait(table, name):
            return True
        is_empty = self._has_empty_key(table, columns, nulls_are_equal=bool(constraint.get("nulls_not_distinct")))
        return not is_empty and any(whole.is_remade(table, column) for column in columns)

    def _drops_primary_key(self, table: TableName) -> bool:
        dropped = [piece.change.object for piece in self._whole.pieces if piece.change.verb == "drop"]
        return any(
            of[0] == "constraint" and of[1:3] == table and of in self._real and self._real[of].definition.startswith("PRIMARY KEY")
            for of in dropped
        )

    def _becomes_strict(self, table: TableName, column: str) -> bool:
        """Tell whether another statement makes the column NOT NULL."""
        return "AT_SetNotNull" in self._whole.forms(table, column)

    def _built(self, sql: str, of: Identity, change: SchemaChange) -> list[SchemaChange]:
        """Return the statement that builds an index; none where it is there."""
        there = self._real.get(of)
        return [] if there is not None and not is_invalid(there.definition) else [_change(sql, of, change)]

    def _is_in_flux(self, piece: Piece, columns: Collection[str], expression: object) -> bool:
        """Tell whether an expression may mean something else after the main transaction than before."""
        if any(self._whole.is_remade(piece.table, column) for column in columns):
            return True
        return self._whole.changes_code and names_users_code(expression)


def _nothing(_: Piece) -> None:
    return None


def _place(piece: Piece) -> Place:
    return Place(schema=piece.table[0], table=piece.table[1], name=piece.change.object[3])


def _keys_of(piece: Piece) -> list[str]:
    return [str(node["string"]["sval"]) for node in piece.constraint.get("keys", ())]


def _not_valid(piece: Piece) -> SchemaChange:
    return _change(f"{piece.change.sql.rstrip().rstrip(';')} NOT VALID;", piece.change.object, piece.change)


def _validating(of: Identity, change: SchemaChange) -> SchemaChange:
    _, schema, table, name = of
    sql = f"ALTER TABLE {quote_identifier(schema)}.{quote_identifier(table)} VALIDATE CONSTRAINT {quote_identifier(name)};"
    return _change(sql, of, change)


def _change(sql: str, of: Identity, change: SchemaChange) -> SchemaChange:
    """Make a change of a statement that stands for a part of another."""
    reading = read_statement(sql)
    return replace(change, sql=reading.sql, object=of, verb=reading.verb, lock=reading.lock, risk=reading.risk, why=reading.why)


def invalid_indexes(real: Mapping[Identity, SchemaObject], declared: Collection[SchemaObject]) -> list[SchemaObject]:
    """Return the declared indexes that are there, as declared, but for not being built to their end."""
    return [one for one in declared if one.identity in real and is_same_index(real[one.identity].definition, one.definition)]
