"""Reads one statement of a comparison: what it is about, what it does, which lock it takes, and what that means. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roost.errors import SchemaUnsupported
from roost.postgres import Tree, names_of, names_of_object, parse_sql
from roost.schema._reading import (
    EXCLUSIVE,
    KINDS,
    NOBODY,
    SHARE,
    SHARE_ROW,
    SHARE_UPDATE,
    Reading,
    arguments_of,
    identity_of,
    parameters_of,
    relation_of,
)
from roost.schema._table_commands import read_alter_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from roost.schema._changes import Identity, Risk

_OF_NOBODY = {
    "OBJECT_EXTENSION",
    "OBJECT_EVENT_TRIGGER",
}
_NOBODYS_STATEMENTS = {
    "grant_stmt",
    "alter_default_privileges_stmt",
    "create_event_trig_stmt",
    "alter_event_trig_stmt",
    "alter_extension_stmt",
}
_DROPS: dict[str, tuple[str, Risk, str]] = {
    "table": (EXCLUSIVE, "data-losing", "drops the table with all its rows"),
    "index": (EXCLUSIVE, "safe", "drops an index, and no rows"),
    "view": (EXCLUSIVE, "safe", "drops a view, which has no rows of its own"),
    "materialized view": (EXCLUSIVE, "safe", "drops a view, whose rows are those of other tables"),
    "sequence": (EXCLUSIVE, "data-losing", "drops the sequence, and how far it has counted"),
    "type": ("", "safe", "drops a type, which the server refuses while a column is of it"),
    "function": ("", "safe", "drops a function, and no rows"),
    "trigger": (EXCLUSIVE, "safe", "drops a trigger, and no rows"),
    "policy": (EXCLUSIVE, "safe", "drops a policy, and no rows"),
    "schema": ("", "safe", "drops a schema that nothing is left in"),
}
_DOMAINS = {
    "T": ("safe", "changes the domain's default"),
    "N": ("safe", "lets the domain be empty"),
    "O": ("blocking", "reads all columns of the domain"),
    "C": ("blocking", "reads all columns of the domain"),
    "X": ("safe", "drops a rule of the domain"),
}


def read_statement(sql: str) -> Reading:
    """Read one statement of a comparison.

    Args:
        sql: The statement. It needs the extra ``sql``.

    Raises:
        SchemaUnsupported: It is not one statement, or of no form that is known here.
    """
    parsed = parse_sql(sql)
    if parsed is None or len(parsed) != 1:
        raise SchemaUnsupported(findings=(f"not one statement: {sql}",))
    text = f"{parsed[0].text};"
    kind, tree = parsed[0].kind, parsed[0].tree
    if kind in _NOBODYS_STATEMENTS:
        return _nobodys(text, kind)
    reader = _READERS.get(kind)
    found = None if reader is None else reader(text, tree)
    if found is None:
        raise SchemaUnsupported(findings=(f"a statement of no known form: {text}",))
    return found


def _nobodys(sql: str, form: str) -> Reading:
    return Reading(sql=sql, form=form, object=NOBODY, verb="alter", why="touches what no plugin declares")


def _created(form: str, of: Identity, sql: str, why: str) -> Reading:
    return Reading(sql=sql, form=form, object=of, verb="create", why=why)


def _schema(sql: str, tree: Tree) -> Reading:
    return _created("create_schema_stmt", identity_of("schema", (tree["schemaname"],)), sql, "makes a schema")


def _extension(sql: str, tree: Tree) -> Reading:
    options = {option["def_elem"]["defname"]: option["def_elem"].get("arg", {}) for option in tree.get("options", ())}
    schema = options.get("schema", {}).get("string", {}).get("sval", "")
    return _created("create_extension_stmt", ("extension", schema, "", tree["extname"]), sql, "installs an extension that is declared")


def _type(sql: str, tree: Tree) -> Reading:
    names = names_of(tree["type_name"]) if "type_name" in tree else relation_of(tree["typevar"])
    return _created("create_type", identity_of("type", names), sql, "makes a type")


def _domain(sql: str, tree: Tree) -> Reading:
    return _created("create_type", identity_of("type", names_of(tree["domainname"])), sql, "makes a type")


def _sequence(sql: str, tree: Tree) -> Reading:
    return _created("create_seq_stmt", identity_of("sequence", relation_of(tree["sequence"])), sql, "makes a sequence")


def _table(sql: str, tree: Tree) -> Reading:
    parents = [relation_of(node["range_var"]) for node in tree.get("inh_relations", ())]
    return Reading(
        sql=sql,
        form="create_stmt",
        object=identity_of("table", relation_of(tree["relation"])),
        also=identity_of("table", parents[0]) if parents else None,
        verb="create",
        lock=EXCLUSIVE if parents else "",
        why="makes a partition" if parents else "makes a table",
    )


def _view(sql: str, tree: Tree) -> Reading:
    return _created("view_stmt", identity_of("view", relation_of(tree["view"])), sql, "makes a view")


def _materialized_view(sql: str, tree: Tree) -> Reading | None:
    if tree["objtype"] != "OBJECT_MATVIEW":
        return None
    # A view that nobody has filled refuses to be read, and one that is only made again was full.
    text = sql.removesuffix(";").rstrip()
    if tree["into"].get("skip_data"):
        text = text[: -len("WITH NO DATA")].rstrip()
    return _created(
        "create_table_as_stmt", identity_of("materialized view", relation_of(tree["into"]["rel"])), f"{text};", "makes and fills a view"
    )


def _index(sql: str, tree: Tree) -> Reading:
    schema, table = relation_of(tree["relation"])
    is_gentle = bool(tree.get("concurrent"))
    return Reading(
        sql=sql,
        form="index_stmt",
        object=("index", schema, table, tree["idxname"]),
        verb="create",
        lock=SHARE_UPDATE if is_gentle else SHARE,
        risk="safe" if is_gentle else "blocking",
        why="builds an index beside those who write" if is_gentle else "builds an index while the table can be read and not written",
    )


def _function(sql: str, tree: Tree) -> Reading:
    return Reading(
        sql=sql,
        form="create_function_stmt",
        object=identity_of("function", names_of(tree["funcname"])),
        verb="create",
        why="makes a function, or puts another in its place",
        arguments=parameters_of(tree.get("parameters", ())),
    )


def _trigger(sql: str, tree: Tree) -> Reading:
    schema, table = relation_of(tree["relation"])
    trigger = ("trigger", schema, table, tree["trigname"])
    return Reading(sql=sql, form="create_trig_stmt", object=trigger, verb="create", lock=SHARE_ROW, why="makes a trigger")


def _policy(sql: str, tree: Tree) -> Reading:
    schema, table = relation_of(tree["table"])
    policy = ("policy", schema, table, tree["policy_name"])
    return Reading(sql=sql, form="create_policy_stmt", object=policy, verb="create", lock=EXCLUSIVE, why="makes a policy")


def _drop(sql: str, tree: Tree) -> Reading | None:
    if tree["remove_type"] in _OF_NOBODY:
        return _nobodys(sql, "drop_stmt")
    kind = KINDS.get(tree["remove_type"], "")
    if kind not in _DROPS or len(tree["objects"]) != 1 or tree.get("behavior") == "DROP_CASCADE":
        return None
    (node,) = tree["objects"]
    lock, risk, why = _DROPS[kind]
    arguments = arguments_of(node) if kind == "function" else ()
    of = identity_of(kind, names_of_object(node))
    return Reading(sql=sql, form="drop_stmt", object=of, verb="drop", lock=lock, risk=risk, why=why, arguments=arguments)


def _comment(sql: str, tree: Tree) -> Reading | None:
    if tree["objtype"] in _OF_NOBODY:
        return _nobodys(sql, "comment_stmt")
    kind = KINDS.get(tree["objtype"])
    if kind is None:
        return None
    node = tree["object"]
    if tree["objtype"] == "OBJECT_DOMCONSTRAINT":
        node = node["list"]["items"][0]  # the domain stands before the constraint
    arguments = arguments_of(node) if kind == "function" else ()
    of = identity_of(kind, names_of_object(node))
    return Reading(sql=sql, form="comment_stmt", object=of, verb="comment", why="changes a comment", arguments=arguments)


def _rename(sql: str, tree: Tree) -> Reading | None:
    if tree["rename_type"] in _OF_NOBODY:
        return _nobodys(sql, "rename_stmt")
    kind = KINDS.get(tree["rename_type"], "")
    new = tree["newname"]
    if kind == "index":
        of = identity_of(kind, relation_of(tree["relation"]))
        return Reading(sql=sql, form="rename_stmt", object=of, verb="rename", lock=SHARE_UPDATE, new_name=new, why="renames an index")
    if kind in {"constraint", "trigger"}:
        schema, table = relation_of(tree["relation"])
        of = (kind, schema, table, tree["subname"])
        return Reading(sql=sql, form="rename_stmt", object=of, verb="rename", lock=EXCLUSIVE, new_name=new, why=f"renames a {kind}")
    if kind != "type":
        return None
    of = identity_of("type", names_of_object(tree["object"]))
    if tree["rename_type"] == "OBJECT_DOMCONSTRAINT":
        return Reading(sql=sql, form="rename of a domain's constraint", object=of, verb="alter", why="renames a rule of the domain")
    return Reading(sql=sql, form="rename of a type", object=of, verb="rename", new_name=new, why="makes the type anew with other values")


def _altered_enum(sql: str, tree: Tree) -> Reading:
    of, new, old = identity_of("type", names_of(tree["type_name"])), tree["new_val"], tree.get("old_val", "")
    if old:
        return Reading(
            sql=sql,
            form="rename of a value",
            object=of,
            verb="alter",
            risk="data-losing",
            new_name=new,
            old_value=old,
            why=f"each row with {old!r} would have {new!r}",
        )
    return Reading(sql=sql, form="new value", object=of, verb="alter", new_name=new, why="adds a value, which nothing can take away again")


def _altered_domain(sql: str, tree: Tree) -> Reading | None:
    of = identity_of("type", names_of(tree["type_name"]))
    if tree["subtype"] not in _DOMAINS or tree.get("behavior") == "DROP_CASCADE":
        return None
    risk, why = _DOMAINS[tree["subtype"]]
    is_blocking = risk == "blocking"
    return Reading(
        sql=sql,
        form="alter_domain_stmt",
        object=of,
        verb="alter",
        lock=SHARE if is_blocking else "",
        risk="blocking" if is_blocking else "safe",
        why=why,
    )


def _altered_sequence(sql: str, tree: Tree) -> Reading:
    of = identity_of("sequence", relation_of(tree["sequence"]))
    return Reading(sql=sql, form="alter_seq_stmt", object=of, verb="alter", lock=SHARE_ROW, why="changes how the sequence counts on")


def _moved(sql: str, tree: Tree) -> Reading | None:
    return _nobodys(sql, "alter_object_schema_stmt") if tree["object_type"] == "OBJECT_EXTENSION" else None


_READERS: dict[str, Callable[[str, Tree], Reading | None]] = {
    "create_schema_stmt": _schema,
    "create_extension_stmt": _extension,
    "create_enum_stmt": _type,
    "composite_type_stmt": _type,
    "create_range_stmt": _type,
    "create_domain_stmt": _domain,
    "create_seq_stmt": _sequence,
    "create_stmt": _table,
    "view_stmt": _view,
    "create_table_as_stmt": _materialized_view,
    "index_stmt": _index,
    "create_function_stmt": _function,
    "create_trig_stmt": _trigger,
    "create_policy_stmt": _policy,
    "drop_stmt": _drop,
    "comment_stmt": _comment,
    "rename_stmt": _rename,
    "alter_table_stmt": read_alter_table,
    "alter_enum_stmt": _altered_enum,
    "alter_domain_stmt": _altered_domain,
    "alter_seq_stmt": _altered_sequence,
    "alter_object_schema_stmt": _moved,
}
