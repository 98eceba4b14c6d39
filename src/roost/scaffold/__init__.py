"""Writes what people would otherwise write by hand: steps of migrations, plugins, whole projects, and new numbers after a merge."""

from roost.scaffold._drafts import Draft, python_module, sql_files
from roost.scaffold._folder import Written, add_to_folder, renumber_folder
from roost.scaffold._from_changes import from_changes
from roost.scaffold._generators import add_column, backfill, create_index, create_table, empty_step, enum_value, foreign_key
from roost.scaffold._numbering import next_prefixes
from roost.scaffold._plugin_files import CONFTEST, NewPlugin, plugin_files
from roost.scaffold._project_files import project_files
from roost.scaffold._renumbering import Move, plan_renumbering
from roost.scaffold._writing import rename_files, write_files

__all__ = [
    "CONFTEST",
    "Draft",
    "Move",
    "NewPlugin",
    "Written",
    "add_column",
    "add_to_folder",
    "backfill",
    "create_index",
    "create_table",
    "empty_step",
    "enum_value",
    "foreign_key",
    "from_changes",
    "next_prefixes",
    "plan_renumbering",
    "plugin_files",
    "project_files",
    "python_module",
    "rename_files",
    "renumber_folder",
    "sql_files",
    "write_files",
]
