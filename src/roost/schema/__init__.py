"""Declared schemas: what a plugin says its tables are, held against a database, and the difference as classified changes."""

from roost.schema._at_once import at_once
from roost.schema._catalogue import SchemaObject, objects_in, objects_query
from roost.schema._changes import Identity, PluginChanges, Risk, SchemaChange, Stage, Verb
from roost.schema._declaration import DeclaredPlugin, DeclaredSchema, SchemaSource, Script, declared_plugin
from roost.schema._declaring import Declared, declare
from roost.schema._diff import difference
from roost.schema._guard import allowed_by_environment, blocked_error
from roost.schema._large_tables import large_tables
from roost.schema._renames import Rename, effective_renames, undo_statements
from roost.schema._schema_name import check_schema_names, derive_schema_name
from roost.schema._schema_plan import plan_schema_changes
from roost.schema._scratch import Scratch, scratch_database
from roost.schema._scratch_names import drop_stale_scratches, scratch_home, scratch_name

__all__ = [
    "Declared",
    "DeclaredPlugin",
    "DeclaredSchema",
    "Identity",
    "PluginChanges",
    "Rename",
    "Risk",
    "SchemaChange",
    "SchemaObject",
    "SchemaSource",
    "Scratch",
    "Script",
    "Stage",
    "Verb",
    "allowed_by_environment",
    "at_once",
    "blocked_error",
    "check_schema_names",
    "declare",
    "declared_plugin",
    "derive_schema_name",
    "difference",
    "drop_stale_scratches",
    "effective_renames",
    "large_tables",
    "objects_in",
    "objects_query",
    "plan_schema_changes",
    "scratch_database",
    "scratch_home",
    "scratch_name",
    "undo_statements",
]
