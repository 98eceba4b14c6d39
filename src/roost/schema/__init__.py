"""Declared schemas: what a plugin says its tables are, held against a database, and the difference as classified changes."""

from roost.schema._catalogue import SchemaObject, objects_in, objects_query
from roost.schema._declaration import DeclaredPlugin, DeclaredSchema, SchemaSource, Script, declared_plugin
from roost.schema._declaring import Declared, declare
from roost.schema._diff import difference
from roost.schema._schema_name import check_schema_names, derive_schema_name
from roost.schema._scratch import Scratch, drop_stale_scratches, scratch_database

__all__ = [
    "Declared",
    "DeclaredPlugin",
    "DeclaredSchema",
    "SchemaObject",
    "SchemaSource",
    "Scratch",
    "Script",
    "check_schema_names",
    "declare",
    "declared_plugin",
    "derive_schema_name",
    "difference",
    "drop_stale_scratches",
    "objects_in",
    "objects_query",
    "scratch_database",
]
