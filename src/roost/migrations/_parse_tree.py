"""Reads names, types and columns out of PostgreSQL's parse tree. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from roost.migrations._claimed_objects import ColumnType
from roost.postgres import Tree, input_parameters, names_of

_SERIAL = {
    "serial": "int4",
    "serial4": "int4",
    "bigserial": "int8",
    "serial8": "int8",
    "smallserial": "int2",
    "serial2": "int2",
}
"""Words for a type and a sequence; the server has no types of these names."""


def name_of_relation(relation: Tree) -> tuple[str, ...]:
    """Return a relation's name, behind its schema where that is written."""
    written = relation.get("schemaname")
    return (str(written), str(relation["relname"])) if written else (str(relation["relname"]),)


def is_temporary(relation: Tree) -> bool:
    """Tell whether a relation goes with its session."""
    return relation.get("relpersistence") == "t" or relation.get("schemaname") == "pg_temp"


def column_type(type_name: Tree | None, *, home: str = "") -> ColumnType | None:
    """Return a column's type as it is written; None where it is not. In the schema `home` live the names without one."""
    if type_name is None:
        return None
    name = names_of(type_name["names"])
    if len(name) == 1 and name[0] in _SERIAL:
        name = ("pg_catalog", _SERIAL[name[0]])
    modifiers = tuple(_constant(node) for node in type_name.get("typmods", ()))
    # The fields of an interval are coded among its modifiers.
    known = None if None in modifiers or name[-1] == "interval" else tuple(str(one) for one in modifiers)
    return ColumnType(name=name, modifiers=known, is_array=bool(type_name.get("array_bounds")), home=home)


def _constant(node: Tree) -> int | None:
    constant = node.get("a_const", {}).get("ival")
    return None if constant is None else int(constant.get("ival", 0))


def parameters(nodes: Sequence[Tree]) -> str:
    """Return the types of a function's input, by which it is told from others of its name."""
    return arguments([{"type_name": parameter["arg_type"]} for parameter in input_parameters(nodes)])


def arguments(nodes: Sequence[Tree]) -> str:
    """Return the types by which a DROP or an ALTER means one of several functions."""
    types = [column_type(node["type_name"]) for node in nodes]
    return "(" + ", ".join(one.text for one in types if one is not None) + ")"


def columns_of_constraint(constraint: Tree) -> frozenset[str] | None:
    """Return the columns that a constraint goes with; None where an expression may name any."""
    if constraint["contype"] in ("CONSTR_CHECK", "CONSTR_EXCLUSION"):
        return None
    return frozenset(names_of([*constraint.get("keys", ()), *constraint.get("fk_attrs", ()), *constraint.get("including", ())]))


def columns_of_index(index: Tree) -> frozenset[str] | None:
    """Return the columns that an index goes with; None where an expression may name any."""
    elements = [node["index_elem"] for node in (*index.get("index_params", ()), *index.get("index_including_params", ()))]
    if "where_clause" in index or any("name" not in element for element in elements):
        return None
    return frozenset(str(element["name"]) for element in elements)
