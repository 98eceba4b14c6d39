"""Notes what statements change, rename, move and drop. Pure: values in, notes out.

Each function reads one kind of statement, and tells whether all that it does can be looked for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from roost.migrations import _parse_tree as parts
from roost.postgres import names_of, names_of_object

if TYPE_CHECKING:
    from roost.migrations._claim_reading import ClaimReading
    from roost.migrations._claimed_objects import ClaimedObject, ObjectKind
    from roost.postgres import Tree

_RELATIONS: dict[str, ObjectKind] = {
    "OBJECT_FOREIGN_TABLE": "table",
    "OBJECT_VIEW": "view",
    "OBJECT_MATVIEW": "materialized view",
    "OBJECT_INDEX": "index",
    "OBJECT_SEQUENCE": "sequence",
}
_TYPES = frozenset({"OBJECT_TYPE", "OBJECT_DOMAIN"})
_FUNCTIONS = frozenset({"OBJECT_FUNCTION", "OBJECT_PROCEDURE", "OBJECT_ROUTINE"})
_UNDER_TABLE: dict[str, ObjectKind] = {"OBJECT_COLUMN": "column", "OBJECT_TABCONSTRAINT": "constraint", "OBJECT_TRIGGER": "trigger"}


def search_path(reading: ClaimReading, tree: Tree) -> bool:
    """Read ``SET``: behind a search path of the step's own, nobody knows where its names live."""
    if tree.get("name") == "search_path":
        reading.schema = None
    return False


def altered_enum(reading: ClaimReading, tree: Tree) -> bool:
    """Read ``ALTER TYPE … ADD VALUE`` and ``RENAME VALUE``."""
    schema, name = reading.located(names_of(tree["type_name"]))
    if "old_val" in tree:
        reading.rename("value", schema, tree["old_val"], tree["new_val"], parent=name)
    else:
        reading.make("value", schema, tree["new_val"], parent=name, is_kept=True)
    return True


def altered_domain(reading: ClaimReading, tree: Tree) -> bool:
    """Read ``ALTER DOMAIN``, as far as its constraints go."""
    schema, name = reading.located(names_of(tree["type_name"]))
    if tree["subtype"] == "C":
        return reading.make_constraint(schema, name, tree["def"]["constraint"])
    if tree["subtype"] == "X":
        reading.lose("constraint", schema, tree["name"], parent=name)
        return True
    return False


def altered_table(reading: ClaimReading, tree: Tree) -> bool:
    """Read ``ALTER TABLE``: columns, their types, constraints and partitions."""
    if reading.passes_by(tree["relation"]):
        return True
    schema, table = reading.relation(tree["relation"])
    read = [_command(reading, schema, table, node["alter_table_cmd"]) for node in tree["cmds"]]
    return all(read)


def _command(reading: ClaimReading, schema: str, table: str, command: Tree) -> bool:
    match command["subtype"]:
        case "AT_AddColumn":
            reading.make_column(schema, table, command["def"]["column_def"], is_kept=bool(command.get("missing_ok")))
        case "AT_DropColumn":
            reading.lose("column", schema, command["name"], parent=table)
            return command.get("behavior") != "DROP_CASCADE" or _cascaded(reading)
        case "AT_AlterColumnType":
            written = reading.column_type(command["def"]["column_def"])
            reading.make("column", schema, command["name"], parent=table, column_type=written)
        case "AT_AddConstraint":
            return reading.make_constraint(schema, table, command["def"]["constraint"])
        case "AT_DropConstraint":
            reading.lose("constraint", schema, command["name"], parent=table)
            return command.get("behavior") != "DROP_CASCADE" or _cascaded(reading)
        case "AT_AttachPartition" | "AT_DetachPartition":
            parent = table if command["subtype"] == "AT_AttachPartition" else ""
            partition = reading.objects.find("table", *reading.relation(command["def"]["partition_cmd"]["name"]))
            if partition is not None:
                reading.objects.add(replace(partition, parent=parent))
            return partition is not None
        case _:
            return False
    return True


def dropped(reading: ClaimReading, tree: Tree) -> bool:
    """Read ``DROP``."""
    kind = tree.get("remove_type", "")
    named = [_dropped(reading, kind, node) for node in tree["objects"]]
    is_known = all(named)
    return (tree.get("behavior") != "DROP_CASCADE" or _cascaded(reading)) and is_known


def _dropped(reading: ClaimReading, kind: str, node: Tree) -> bool:
    name = names_of_object(node)
    if kind == "OBJECT_TABLE" or kind in _RELATIONS:
        if name[0] != "pg_temp" and not (len(name) == 1 and name[0] in reading.temporary):
            reading.lose("relation", *reading.located(name))
    elif kind in _TYPES:
        reading.lose("type", *reading.located(name))
    elif kind in _FUNCTIONS:
        for one in _functions(reading, node["object_with_args"]):
            reading.objects.drop(one)
    elif kind == "OBJECT_SCHEMA":
        reading.lose("schema", "", name[0])
    elif kind == "OBJECT_EXTENSION":
        reading.lose("extension", "", name[0])
    elif kind == "OBJECT_TRIGGER":
        schema, table = reading.located(name[:-1])
        reading.lose("trigger", schema, name[-1], parent=table)
    else:
        return False
    return True


def _cascaded(reading: ClaimReading) -> bool:
    """Forget what may have gone along: what stood on it is not told."""
    reading.objects.forget_dependants()
    return False


def _functions(reading: ClaimReading, written: Tree) -> list[ClaimedObject]:
    """Return the functions that a DROP or an ALTER means: those of its arguments, else the only one of its name."""
    found = reading.objects.functions(*reading.located(names_of(written["objname"])))
    if written.get("args_unspecified"):
        return found
    wanted = parts.arguments(written.get("objargs", ()))
    exact = [one for one in found if one.parent == wanted]
    return exact or found[: len(found) == 1]


def renamed(reading: ClaimReading, tree: Tree) -> bool:
    """Read ``ALTER … RENAME``."""
    kind, new = tree.get("rename_type", ""), tree["newname"]
    if kind == "OBJECT_TABLE" or kind in _RELATIONS:
        if not reading.passes_by(tree["relation"]):
            _rename_relation(reading, _RELATIONS.get(kind, "relation"), reading.relation(tree["relation"]), new)
    elif kind in _UNDER_TABLE:
        if not reading.passes_by(tree["relation"]):
            schema, table = reading.relation(tree["relation"])
            reading.rename(_UNDER_TABLE[kind], schema, tree["subname"], new, parent=table)
            if kind == "OBJECT_COLUMN":
                reading.objects.rename_column(schema, table, tree["subname"], new)
    elif kind == "OBJECT_DOMCONSTRAINT":
        schema, domain = reading.located(names_of_object(tree["object"]))
        reading.rename("constraint", schema, tree["subname"], new, parent=domain)
    elif kind in _TYPES:
        schema, name = reading.located(names_of_object(tree["object"]))
        reading.rename("type", schema, name, new)
        reading.objects.rename_type((schema, name), (schema, new))
    elif kind in _FUNCTIONS:
        _put_functions(reading, tree["object"]["object_with_args"], name=new)
    elif kind == "OBJECT_SCHEMA":
        reading.rename("schema", "", tree["subname"], new)
        reading.objects.rename_schema(tree["subname"], new)
    else:
        return False
    return True


def _rename_relation(reading: ClaimReading, kind: ObjectKind, located: tuple[str, str], new: str) -> None:
    schema, old = located
    # The index of a constraint and the constraint itself have one name.
    constraints = [one for one in reading.objects if (one.kind, one.schema, one.name) == ("constraint", schema, old)]
    if reading.objects.find("relation", schema, old) is None and len(constraints) == 1:
        reading.rename("constraint", schema, old, new, parent=constraints[0].parent)
    else:
        reading.rename(kind, schema, old, new)


def moved(reading: ClaimReading, tree: Tree) -> bool:
    """Read ``ALTER … SET SCHEMA``."""
    kind, new = tree.get("object_type", ""), tree["newschema"]
    if kind == "OBJECT_TABLE" or kind in _RELATIONS:
        if not reading.passes_by(tree["relation"]):
            _put(reading, _RELATIONS.get(kind, "relation"), reading.relation(tree["relation"]), new)
    elif kind in _TYPES:
        schema, name = reading.located(names_of_object(tree["object"]))
        _put(reading, "type", (schema, name), new)
        reading.objects.rename_type((schema, name), (new, name))
    elif kind in _FUNCTIONS:
        _put_functions(reading, tree["object"]["object_with_args"], schema=new)
    else:
        return False
    return True


def _put(reading: ClaimReading, kind: ObjectKind, located: tuple[str, str], new: str) -> None:
    found = reading.objects.find(kind, *located)
    if found is None:
        reading.make(kind, new, located[1])
    else:
        reading.objects.replace(found, replace(found, schema=new, step=reading.step))


def _put_functions(reading: ClaimReading, written: Tree, *, name: str | None = None, schema: str | None = None) -> None:
    before, called = reading.located(names_of(written["objname"]))
    found = _functions(reading, written)
    for one in found:
        reading.objects.drop(one)
    parents = [one.parent for one in found] or [parts.arguments(written.get("objargs", ()))]
    for parent in parents:
        reading.make("function", schema or before, name or called, parent=parent)
