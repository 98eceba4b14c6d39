"""Which statements a declaration may hold: those that say what is there, in the plugin's own schema. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from roost.postgres import ParsedStatement, Tree

_DATA = "it changes or reads data; that belongs into a migration step"
_GRANTS = "privileges and owners belong into a repeatable step"
_SETTINGS = "settings and transactions are not part of a declaration; leave it out"
_NOT_COMPARED = "this kind of object can't be compared; make it in a migration step"

_CHANGING_DATA = (
    *("insert_stmt", "update_stmt", "delete_stmt", "merge_stmt", "select_stmt", "truncate_stmt"),
    *("do_stmt", "copy_stmt", "call_stmt"),
)
_GRANTING = ("grant_stmt", "grant_role_stmt", "alter_default_privileges_stmt", "alter_owner_stmt", "reassign_owned_stmt")
_SETTING = (
    *("variable_set_stmt", "variable_show_stmt", "transaction_stmt", "discard_stmt", "lock_stmt"),
    *("listen_stmt", "notify_stmt", "constraints_set_stmt"),
)
_REFUSED = {**dict.fromkeys(_CHANGING_DATA, _DATA), **dict.fromkeys(_GRANTING, _GRANTS), **dict.fromkeys(_SETTING, _SETTINGS)}
_RELATIONS = {
    "create_stmt": "relation",
    "index_stmt": "relation",
    "create_seq_stmt": "sequence",
    "view_stmt": "view",
    "composite_type_stmt": "typevar",
    "create_trig_stmt": "relation",
    "create_policy_stmt": "table",
    "alter_policy_stmt": "table",
    "alter_table_stmt": "relation",
    "alter_seq_stmt": "sequence",
    "rename_stmt": "relation",
}
"""Where a statement names the relation that it is about."""
_NAMES = {
    "create_enum_stmt": "type_name",
    "alter_enum_stmt": "type_name",
    "create_range_stmt": "type_name",
    "create_domain_stmt": "domainname",
    "alter_domain_stmt": "type_name",
    "create_function_stmt": "funcname",
}
"""Where a statement names something else, by the parts of its name."""
_DROPPED = frozenset(
    {
        *("OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_INDEX", "OBJECT_SEQUENCE", "OBJECT_TYPE", "OBJECT_DOMAIN"),
        *("OBJECT_FUNCTION", "OBJECT_PROCEDURE", "OBJECT_TRIGGER", "OBJECT_POLICY"),
    }
)
_FREE = frozenset({"create_extension_stmt", "comment_stmt", "alter_function_stmt", "drop_stmt", "create_table_as_stmt"})
"""What these are about is looked at apart, or afterwards."""


def why_not_declared(statement: ParsedStatement, *, schema: str) -> str | None:
    """Tell why a declaration may not hold a statement.

    Args:
        statement: The statement.
        schema: The plugin's PostgreSQL schema.

    Returns:
        The reason; an empty text where it may, and None where it says what is true anyway.
    """
    kind, tree = statement.kind, statement.tree
    if kind == "create_schema_stmt" and tree.get("schemaname") == schema and not tree.get("schema_elts"):
        return None
    reason = _REFUSED.get(kind) or _why_not_of_kind(kind, tree, schema=schema)
    if reason:
        return reason
    others = [name for name in _schemas_of(kind, tree) if name != schema]
    return f"it is about the PostgreSQL schema {others[0]}, and the plugin's is {schema}" if others else ""


def _why_not_of_kind(kind: str, tree: Tree, *, schema: str) -> str:
    if kind in _LOOKED_AT:
        return _LOOKED_AT[kind](tree)
    if kind == "create_schema_stmt":
        return f"it makes more than the plugin's PostgreSQL schema, which is {schema}"
    return "" if kind in _FREE or kind in _RELATIONS or kind in _NAMES else _NOT_COMPARED


def _why_no_type(tree: Tree) -> str:
    is_collated = "coll_clause" in tree or any("coll_clause" in node.get("column_def", {}) for node in tree.get("coldeflist", []))
    return "collations of domains and composite types can't be compared; give them to the columns" if is_collated else ""


def _why_no_range(tree: Tree) -> str:
    is_named = any(node.get("def_elem", {}).get("defname") == "multirange_type_name" for node in tree.get("params", []))
    return "names of multiranges can't be compared; leave it to PostgreSQL" if is_named else ""


def _why_no_table(tree: Tree) -> str:
    if tree.get("relation", {}).get("relpersistence") == "t":
        return "a temporary table is no part of a schema"
    if tree.get("inh_relations") and "partbound" not in tree:
        return "tables that inherit can't be compared; use partitions, or make it in a migration step"
    if tree.get("of_typename"):
        return "tables of a type can't be compared; write its columns down, or make it in a migration step"
    return ""


def _schemas_of(kind: str, tree: Tree) -> list[str]:
    """Return the schemas that a statement names for what it is about."""
    if kind == "create_table_as_stmt":
        found = [tree.get("into", {}).get("rel", {}).get("schemaname")]
    elif kind in _RELATIONS:
        found = [tree.get(_RELATIONS[kind], {}).get("schemaname")]
    elif kind in _NAMES:
        found = [_qualifier(tree.get(_NAMES[kind], []))]
    elif kind == "drop_stmt":
        # A trigger and a policy are named behind their table.
        behind = 3 if tree.get("remove_type") in ("OBJECT_TRIGGER", "OBJECT_POLICY") else 2
        found = [_dropped(node, behind=behind) for node in tree.get("objects", [])]
    else:
        found = []
    return [name for name in map(_text, found) if name is not None]


def _dropped(node: Tree, *, behind: int) -> str | None:
    for key, names in (("list", "items"), ("type_name", "names"), ("object_with_args", "objname")):
        if key in node:
            return _qualifier(node[key].get(names, []), behind=behind)
    return None


def _qualifier(names: list[Tree], *, behind: int = 2) -> str | None:
    parts = [_text(name.get("string", {}).get("sval")) for name in names]
    return parts[-behind] if len(parts) >= behind else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _commands(tree: Tree, subtype: str) -> Iterator[bool]:
    for command in tree.get("cmds", []):
        yield command.get("alter_table_cmd", {}).get("subtype") == subtype


_LOOKED_AT: dict[str, Callable[[Tree], str]] = {
    "create_stmt": _why_no_table,
    "create_domain_stmt": _why_no_type,
    "composite_type_stmt": _why_no_type,
    "create_range_stmt": _why_no_range,
    "create_table_as_stmt": lambda tree: "" if tree.get("objtype") == "OBJECT_MATVIEW" else _DATA,
    "drop_stmt": lambda tree: "" if tree.get("remove_type") in _DROPPED else _NOT_COMPARED,
    "alter_table_stmt": lambda tree: _GRANTS if any(_commands(tree, "AT_ChangeOwner")) else "",
}
"""Statements that may stand in a declaration in some of their forms."""
