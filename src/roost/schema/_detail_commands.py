"""Reads the commands of an ALTER TABLE that are about details: how something is stored, sorted or counted. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roost.postgres import Tree
from roost.schema._reading import EXCLUSIVE, KINDS, SHARE_UPDATE, Reading

if TYPE_CHECKING:
    from roost.schema._changes import Identity

_OF_RELATION = {
    "AT_SetRelOptions": (SHARE_UPDATE, "changes how it is stored from now on, and touches no row"),
    "AT_ResetRelOptions": (SHARE_UPDATE, "changes how it is stored from now on, and touches no row"),
    "AT_ClusterOn": (SHARE_UPDATE, "says by which index a CLUSTER sorts it"),
    "AT_DropCluster": (SHARE_UPDATE, "says that no CLUSTER sorts it"),
}
_OF_COLUMN = {
    "AT_SetStorage": (EXCLUSIVE, "changes how new values are stored"),
    "AT_SetCompression": (EXCLUSIVE, "changes how new values are compressed"),
    "AT_SetStatistics": (SHARE_UPDATE, "changes how closely ANALYZE looks"),
    "AT_SetOptions": (SHARE_UPDATE, "changes what the planner believes"),
    "AT_ResetOptions": (SHARE_UPDATE, "changes what the planner believes"),
}
_OF_VIEW = {"AT_ColumnDefault": (EXCLUSIVE, "changes what new rows get that are written through the view")}
_RELATIONS = frozenset({"table", "view", "materialized view", "index"})


def read_detail(sql: str, command: Tree, *, objtype: str, schema: str, relation: str) -> Reading | None:
    """Read a command that is about a detail.

    Args:
        sql: The statement.
        command: Its one command.
        objtype: What the grammar takes the relation for.
        schema: The relation's schema.
        relation: Its name.

    Returns:
        What it says; None where it is about something else.
    """
    kind, form = KINDS.get(objtype, ""), command["subtype"]
    if kind not in _RELATIONS:
        return None
    of: Identity = kind, schema, "", relation
    if form in _OF_RELATION:
        lock, why = _OF_RELATION[form]
    elif form in _OF_COLUMN:
        lock, why = _OF_COLUMN[form]
        of = ("column", schema, relation, str(command.get("name", ""))) if kind == "table" else of
    elif kind == "view" and form in _OF_VIEW:
        lock, why = _OF_VIEW[form]
    else:
        return None
    return Reading(sql=sql, form=form, object=of, verb="alter", lock=lock, why=why)
