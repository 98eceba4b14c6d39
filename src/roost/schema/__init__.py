"""Declared schemas: what a plugin says its tables are, held against a database, and the difference as classified changes."""

from roost.schema._catalogue import SchemaObject
from roost.schema._declaration import DeclaredPlugin, DeclaredSchema, SchemaSource, Script

__all__ = [
    "DeclaredPlugin",
    "DeclaredSchema",
    "SchemaObject",
    "SchemaSource",
    "Script",
]
