"""Reads an ALTER TABLE: what each command means for those who use the table. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from roost.postgres import Tree, names_of
from roost.schema._detail_commands import read_detail
from roost.schema._reading import EXCLUSIVE, SERIAL, SHARE_ROW, SHARE_UPDATE, Reading, relation_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roost.schema._changes import Identity, Risk, Verb

_STABLE = {"now", "transaction_timestamp", "statement_timestamp", "timezone", "current_setting"}
"""Functions that give one value for all rows of a statement: a column's default is then computed once."""

_COLUMN: dict[str, tuple[Risk, str]] = {
    "AT_DropColumn": ("data-losing", "drops the column with all its values"),
    "AT_AlterColumnType": ("rewriting", "changes the column's type"),
    "AT_ColumnDefault": ("safe", "changes what new rows get; rows that are there keep theirs"),
    "AT_SetNotNull": ("blocking", "reads the whole table while nobody else can use it"),
    "AT_DropNotNull": ("safe", "lets the column be empty"),
    "AT_AddIdentity": ("safe", "numbers new rows by the server"),
    "AT_SetIdentity": ("safe", "changes how new rows are numbered"),
    "AT_DropIdentity": ("safe", "ends the numbering of new rows, and drops its counter"),
    "AT_SetExpression": ("rewriting", "computes the column anew"),
}
_TABLE: dict[str, tuple[Risk, str]] = {
    "AT_SetLogged": ("rewriting", "writes the table to the log"),
    "AT_SetUnLogged": ("rewriting", "writes the table anew; from then on a crash of the server empties it"),
    "AT_EnableRowSecurity": ("safe", "lets policies decide who sees which rows"),
    "AT_DisableRowSecurity": ("safe", "lets policies decide no more who sees which rows"),
    "AT_ForceRowSecurity": ("safe", "holds the table's owner to the policies too"),
    "AT_NoForceRowSecurity": ("safe", "holds the table's owner to the policies no more"),
    "AT_ReplicaIdentity": ("safe", "changes by what replicas know a row"),
}
_TRIGGER = {"AT_EnableTrig", "AT_DisableTrig", "AT_EnableAlwaysTrig", "AT_EnableReplicaTrig"}


def read_alter_table(sql: str, tree: Tree) -> Reading | None:
    """Read an ALTER TABLE, or what the grammar takes for one.

    Args:
        sql: The statement.
        tree: Its parts.

    Returns:
        What it says; None where it is of no form that is known here.
    """
    commands = tree["cmds"]
    if len(commands) != 1:
        return None
    command = commands[0]["alter_table_cmd"]
    schema, relation = relation_of(tree["relation"])
    form = command["subtype"]
    if tree["objtype"] == "OBJECT_TYPE":
        return _attribute(sql, form, command, ("type", schema, "", relation))
    if tree["objtype"] == "OBJECT_SEQUENCE" and form in _TABLE:
        return Reading(
            sql=sql, form=form, object=("sequence", schema, "", relation), verb="alter", why="changes whether a crash empties it"
        )
    detail = read_detail(sql, command, objtype=tree["objtype"], schema=schema, relation=relation)
    if detail is not None:
        return detail
    if tree["objtype"] != "OBJECT_TABLE" or command.get("behavior") == "DROP_CASCADE":
        return None
    return _of_table(sql, form, command, schema=schema, table=relation)


def _of_table(sql: str, form: str, command: Tree, *, schema: str, table: str) -> Reading | None:
    name = str(command.get("name", ""))
    if form in _COLUMN:
        risk, why = _COLUMN[form]
        column = ("column", schema, table, name)
        verb: Verb = "drop" if form == "AT_DropColumn" else "alter"
        return Reading(sql=sql, form=form, object=column, verb=verb, lock=EXCLUSIVE, risk=risk, why=why)
    if form in _TABLE:
        risk, why = _TABLE[form]
        return Reading(sql=sql, form=form, object=("table", schema, "", table), verb="alter", lock=EXCLUSIVE, risk=risk, why=why)
    if form in _TRIGGER:
        trigger = ("trigger", schema, table, name)
        return Reading(sql=sql, form=form, object=trigger, verb="alter", lock=SHARE_ROW, why="changes when the trigger fires")
    if form == "AT_AddColumn":
        return _added_column(sql, command["def"]["column_def"], schema=schema, table=table)
    if form in {"AT_AttachPartition", "AT_DetachPartition"}:
        return _partition(sql, form, command["def"]["partition_cmd"], parent=("table", schema, "", table))
    return _constraint(sql, form, command, schema=schema, table=table)


def _added_column(sql: str, column: Tree, *, schema: str, table: str) -> Reading:
    is_computed = _is_computed_for_each_row(column)
    return Reading(
        sql=sql,
        form="AT_AddColumn",
        object=("column", schema, table, column["colname"]),
        verb="create",
        lock=EXCLUSIVE,
        risk="rewriting" if is_computed else "safe",
        why="adds a column, and computes its value for each row" if is_computed else "adds a column without touching a row",
    )


def _is_computed_for_each_row(column: Tree) -> bool:
    if names_of(column["type_name"]["names"])[-1] in SERIAL:
        return True
    for node in column.get("constraints", ()):
        constraint = node["constraint"]
        kind = constraint["contype"]
        if kind == "CONSTR_IDENTITY" or (kind == "CONSTR_GENERATED" and constraint.get("generated_kind") != "v"):
            return True
        if kind == "CONSTR_DEFAULT" and any(name not in _STABLE for name in _called(constraint["raw_expr"])):
            return True
    return False


def _called(node: Any) -> Iterator[str]:  # noqa: ANN401 -- any part of a tree
    if isinstance(node, dict):
        if "func_call" in node:
            yield names_of(node["func_call"]["funcname"])[-1]
        for part in node.values():
            yield from _called(part)
    elif isinstance(node, list):
        for part in node:
            yield from _called(part)


def _partition(sql: str, form: str, command: Tree, *, parent: Identity) -> Reading:
    schema, name = relation_of(command["name"])
    attaches = form == "AT_AttachPartition"
    return Reading(
        sql=sql,
        form=form,
        object=("table", schema, "", name),
        also=parent,
        verb="alter",
        lock=EXCLUSIVE,
        risk="blocking" if attaches else "safe",
        why="reads the partition to check its bounds" if attaches else "makes a table of the partition, with all its rows",
    )


def _constraint(sql: str, form: str, command: Tree, *, schema: str, table: str) -> Reading | None:
    if form == "AT_AddConstraint":
        constraint = command["def"]["constraint"]
        is_key = constraint["contype"] == "CONSTR_FOREIGN"
        is_later, is_built = bool(constraint.get("skip_validation")), "indexname" in constraint
        return Reading(
            sql=sql,
            form=constraint["contype"],
            object=("constraint", schema, table, constraint["conname"]),
            verb="create",
            lock=SHARE_ROW if is_key else EXCLUSIVE,
            risk="safe" if is_later or is_built else "blocking",
            why="checks new rows only" if is_later else "takes an index that is there" if is_built else _checks(constraint),
        )
    name = command["def"]["atalter_constraint"]["conname"] if form == "AT_AlterConstraint" else str(command.get("name", ""))
    said: dict[str, tuple[Verb, str, str]] = {
        "AT_AlterConstraint": ("alter", EXCLUSIVE, "changes when the constraint is checked"),
        "AT_ValidateConstraint": ("alter", SHARE_UPDATE, "checks the rows that are there, beside those who read and write"),
        "AT_DropConstraint": ("drop", EXCLUSIVE, "drops a rule, and no rows"),
    }
    if form not in said:
        return None
    verb, lock, why = said[form]
    return Reading(sql=sql, form=form, object=("constraint", schema, table, name), verb=verb, lock=lock, why=why)


def _checks(constraint: Tree) -> str:
    if constraint["contype"] == "CONSTR_FOREIGN":
        return "checks each row while both tables can be read and not written"
    if constraint["contype"] == "CONSTR_CHECK":
        return "checks each row while nobody else can use the table"
    return "builds an index while nobody else can use the table"


def _attribute(sql: str, form: str, command: Tree, of_type: Identity) -> Reading | None:
    """Read an ALTER TYPE of a composite type. Its CASCADE is for tables that are made of the type, and is left out."""
    said: dict[str, tuple[Risk, str]] = {
        "AT_AddColumn": ("safe", "adds an attribute"),
        "AT_AlterColumnType": ("safe", "changes an attribute's type, which the server refuses where a column is of the type"),
        "AT_DropColumn": ("data-losing", "drops an attribute with its values in all columns of the type"),
    }
    if form not in said:
        return None
    risk, why = said[form]
    strict = sql.removesuffix(";").rstrip()
    if command.get("behavior") == "DROP_CASCADE":
        strict = strict[: -len("CASCADE")].rstrip()
    name = command["def"]["column_def"]["colname"] if form == "AT_AddColumn" else command["name"]
    return Reading(sql=f"{strict};", form=f"{form} of a type", object=of_type, verb="alter", risk=risk, why=why, old_value=name)
