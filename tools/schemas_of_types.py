"""Makes JSON Schemas (2020-12) of the types of documents: frozen dataclasses and TypedDicts, with what their docstrings say."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import sys
import types
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib import import_module
from typing import Any, Literal, NotRequired, TypeAlias, Union, get_args, get_origin, get_type_hints, is_typeddict

from roost.cli._output import ErrorDocument
from tools.docstrings import described, described_attributes

Schema: TypeAlias = dict[str, Any]

_PLAIN: dict[object, dict[str, Any]] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    types.NoneType: {"type": "null"},
    datetime: {"type": "string", "format": "date-time"},
    Any: {},
    object: {},
}


def schema_of(kind: Any, definitions: dict[str, Schema]) -> Schema:  # noqa: ANN401, PLR0911 -- any annotation; one form for one kind of it
    """Return the schema of a type; the classes that it names are added to the definitions."""
    if kind in _PLAIN:
        return _PLAIN[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is NotRequired:
        return schema_of(arguments[0], definitions)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, types.UnionType):
        return _one_of([schema_of(argument, definitions) for argument in arguments])
    if origin in (list, tuple, frozenset, Sequence):
        return {"type": "array", "items": schema_of(arguments[0], definitions)}
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": schema_of(arguments[1], definitions)}
    if isinstance(kind, type) and issubclass(kind, BaseException):
        return reference(ErrorDocument, definitions)
    if is_typeddict(kind) or dataclasses.is_dataclass(kind):
        return reference(kind, definitions)
    raise TypeError(f"no schema is known for {kind!r}")


def closed(schema: Any) -> Any:  # noqa: ANN401 -- any part of a schema
    """Return a schema that refuses what it doesn't name, as tests want it: consumers are promised that members may be added."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {key: closed(part) for key, part in schema.items()}
    return {**parts, "additionalProperties": False} if isinstance(schema.get("properties"), dict) and "required" in schema else parts


def _one_of(schemas: list[Schema]) -> Schema:
    if all(set(schema) == {"type"} for schema in schemas):
        return {"type": [schema["type"] for schema in schemas]}
    return {"anyOf": schemas}


def reference(kind: type, definitions: dict[str, Schema]) -> Schema:
    """Return a reference to a class, which is added to the definitions."""
    if kind.__name__ not in definitions:
        definitions[kind.__name__] = {}
        told, hints = described_attributes(kind), _hints(kind)
        names = [field.name for field in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else list(hints)
        definitions[kind.__name__] = {
            "type": "object",
            "description": _in_json_words(described(kind).partition("\n\n")[0]),
            "properties": {
                name: schema_of(hints[name], definitions) | ({"description": _in_json_words(told[name])} if name in told else {})
                for name in names
            },
            "required": [name for name in names if get_origin(hints[name]) is not NotRequired],
        }
    return {"$ref": f"#/$defs/{kind.__name__}"}


def _in_json_words(text: str) -> str:
    return re.sub(r"\bNone\b", "null", text)


def _hints(kind: type) -> dict[str, Any]:
    """Return the types of a class's members, also where a module imports their names for type checkers only."""
    names = {name: value for base in kind.__mro__ for name, value in _imported(sys.modules[base.__module__]).items()}
    return get_type_hints(kind, localns=names, include_extras=True)


def _imported(module: types.ModuleType) -> dict[str, object]:
    if module.__name__.partition(".")[0] in sys.stdlib_module_names:
        return {}
    guarded = (node for node in ast.parse(inspect.getsource(module)).body if isinstance(node, ast.If))
    imports = [node for guard in guarded for node in guard.body if isinstance(node, ast.ImportFrom)]
    own = [node for node in imports if node.module is not None and node.module.startswith("roost.")]
    return {name.name: getattr(import_module(str(node.module)), name.name) for node in own for name in node.names}
