"""Reads names out of the parse trees that `parse_sql` returns. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

Tree: TypeAlias = Mapping[str, Any]
"""A part of a statement as plain data, under the names that PostgreSQL's parse tree has for it."""

_INPUT_MODES = frozenset({"FUNC_PARAM_DEFAULT", "FUNC_PARAM_IN", "FUNC_PARAM_INOUT", "FUNC_PARAM_VARIADIC"})


def names_of(nodes: Iterable[Tree]) -> tuple[str, ...]:
    """Return the parts of a dotted name."""
    return tuple(str(node["string"].get("sval", "")) for node in nodes)


def names_of_object(node: Tree) -> tuple[str, ...]:
    """Return the parts of an object's name, in whichever form a DROP, an ALTER or a COMMENT gives it."""
    if "string" in node:
        return (str(node["string"]["sval"]),)
    if "type_name" in node:
        return names_of(node["type_name"]["names"])
    if "object_with_args" in node:
        return names_of(node["object_with_args"]["objname"])
    return names_of(node["list"]["items"])


def input_parameters(nodes: Iterable[Tree]) -> list[Tree]:
    """Return those of a function's parameters by whose types it is told from others of its name."""
    parameters = [node["function_parameter"] for node in nodes]
    return [parameter for parameter in parameters if parameter.get("mode") in _INPUT_MODES]
