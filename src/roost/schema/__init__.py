"""Declared schemas: what a plugin says its tables are, held against a database, and the difference as classified changes."""

from roost.schema._catalogue import SchemaObject, objects_in, objects_query
from roost.schema._changes import Identity, PluginChanges, Risk, SchemaChange, Verb
from roost.schema._declaration import DeclaredPlugin, DeclaredSchema, SchemaSource, Script, declared_plugin
from roost.schema._schema_name import check_schema_names, derive_schema_name
from roost.schema._schema_plan import plan_schema_changes

__all__ = [
    "DeclaredPlugin",
    "DeclaredSchema",
    "Identity",
    "PluginChanges",
    "Risk",
    "SchemaChange",
    "SchemaObject",
    "SchemaSource",
    "Script",
    "Verb",
    "check_schema_names",
    "declared_plugin",
    "derive_schema_name",
    "objects_in",
    "objects_query",
    "plan_schema_changes",
]
