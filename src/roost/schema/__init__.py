"""Declared schemas: what a plugin says its tables are, held against a database, and the difference as classified changes."""

from roost.schema._catalogue import SchemaObject
from roost.schema._changes import Identity, PluginChanges, Risk, SchemaChange, Verb
from roost.schema._declaration import DeclaredPlugin, DeclaredSchema, SchemaSource, Script
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
    "plan_schema_changes",
]
