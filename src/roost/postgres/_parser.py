"""Splits SQL into statements, and says what they are and do, by PostgreSQL's own grammar. The one room that knows postgast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, TypeAlias

from roost.postgres._quoting import quote_identifier
from roost.postgres._statements import (
    AddsEnumValue,
    BuildsIndex,
    ControlsTransaction,
    DetachesPartition,
    DropsIndex,
    Effect,
    FitsTransaction,
    ObjectName,
    RebuildsIndexes,
    RunsAgain,
    Sets,
    Statement,
    Uncertain,
)

Node: TypeAlias = Any
"""A node of the grammar's tree. The types that postgast brings can't be read by every checker, and users check what they import."""

SQL_EXTRA = "pip install 'roost[sql]'"
"""What brings the grammar."""

_IN_TRANSACTIONS = frozenset(
    {
        *(
            "insert_stmt",
            "update_stmt",
            "delete_stmt",
            "merge_stmt",
            "select_stmt",
            "truncate_stmt",
            "drop_stmt",
            "rename_stmt",
            "define_stmt",
        ),
        *("create_stmt", "create_schema_stmt", "create_function_stmt", "create_trig_stmt", "create_enum_stmt", "create_range_stmt"),
        *(
            "create_domain_stmt",
            "create_seq_stmt",
            "create_table_as_stmt",
            "create_extension_stmt",
            "create_policy_stmt",
            "create_stats_stmt",
        ),
        *("create_cast_stmt", "create_publication_stmt", "create_foreign_table_stmt", "composite_type_stmt", "view_stmt", "rule_stmt"),
        *("alter_table_stmt", "alter_seq_stmt", "alter_owner_stmt", "alter_object_schema_stmt", "alter_function_stmt", "alter_domain_stmt"),
        *("alter_type_stmt", "alter_policy_stmt", "alter_stats_stmt", "alter_publication_stmt", "alter_default_privileges_stmt"),
        *("comment_stmt", "grant_stmt", "grant_role_stmt", "index_stmt", "alter_enum_stmt", "refresh_mat_view_stmt"),
    }
)
_MAINTENANCE = frozenset({"vacuum_stmt", "reindex_stmt", "check_point_stmt", "alter_system_stmt"})
_OUTSIDE = frozenset(
    {
        *("createdb_stmt", "dropdb_stmt", "create_table_space_stmt", "drop_table_space_stmt", "alter_system_stmt"),
        *("create_subscription_stmt", "drop_subscription_stmt"),
    }
)
_SCOPES: dict[str, Literal["index", "table", "schema", "database"]] = {
    "REINDEX_OBJECT_INDEX": "index",
    "REINDEX_OBJECT_TABLE": "table",
    "REINDEX_OBJECT_SCHEMA": "schema",
    "REINDEX_OBJECT_DATABASE": "database",
}

_OF_KEY: dict[str, dict[str, bool]] = {
    "CONSTR_ATTR_DEFERRABLE": {"deferrable": True},
    "CONSTR_ATTR_NOT_DEFERRABLE": {"deferrable": False},
    "CONSTR_ATTR_DEFERRED": {"deferrable": True, "initdeferred": True},
    "CONSTR_ATTR_IMMEDIATE": {"initdeferred": False},
    "CONSTR_ATTR_ENFORCED": {"is_enforced": True, "initially_valid": True},
    "CONSTR_ATTR_NOT_ENFORCED": {"is_enforced": False, "initially_valid": False},
}
"""Words behind a column's constraint that are parts of it, which the grammar keeps as constraints of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedStatement:
    """One statement of a text.

    Attributes:
        kind: What the grammar calls it, such as ``"create_stmt"``.
        tree: Its parts as plain data, under the names that PostgreSQL's parse tree has for them; what is empty or false is left out.
        text: The statement as it is written, without the semicolon.
        start: Where it begins in the whole text, in characters.
    """

    kind: str
    tree: Mapping[str, Any]
    text: str
    start: int = 0


def has_parser() -> bool:
    """Tell whether the grammar is installed."""
    try:
        _grammar()
    except ImportError:
        return False
    return True


def _grammar() -> Any:  # noqa: ANN401 -- as above
    return import_module("postgast")


def _part(name: str) -> Any:  # noqa: ANN401 -- as above
    return getattr(_grammar().pg_query_pb2, name)


def _parsed(sql: str) -> Any:  # noqa: ANN401 -- as above
    """Return the tree of a text; None where the grammar, that of PostgreSQL 18, does not take it, or it nests too deep."""
    from google.protobuf.message import DecodeError  # noqa: PLC0415 -- what the extra brings, loaded only where a step needs it

    grammar = _grammar()
    try:
        return grammar.parse(sql)
    except (grammar.PgQueryError, DecodeError):
        return None


def parse_sql(sql: str) -> tuple[ParsedStatement, ...] | None:
    """Split a text into its statements, and each into its parts.

    Args:
        sql: SQL. It needs the extra ``sql``: ask `has_parser` before.

    Returns:
        The statements in their order; None where the grammar, that of PostgreSQL 18, does not take the text, or the text nests too deep.
    """
    from google.protobuf.json_format import MessageToDict  # noqa: PLC0415 -- what the extra brings, loaded only where a step needs it

    found = _parsed(sql)
    if found is None:
        return None
    source = sql.encode()
    statements: list[ParsedStatement] = []
    bytes_before, before = 0, 0
    for raw in found.stmts:
        ((kind, tree),) = MessageToDict(raw.stmt, preserving_proto_field_name=True).items()
        end = raw.stmt_location + raw.stmt_len if raw.stmt_len else len(source)
        piece = source[raw.stmt_location : end].decode()
        # The grammar counts bytes; each is decoded once, however many statements there are.
        before += len(source[bytes_before : raw.stmt_location].decode())
        bytes_before = raw.stmt_location
        start = before + len(piece) - len(piece.lstrip())
        statements.append(ParsedStatement(kind=kind, tree=tree, text=piece.strip(), start=start))
    return tuple(statements)


def syntax_fault(sql: str) -> tuple[str, int] | None:
    """Say what the grammar, that of PostgreSQL 18, has against a text.

    Args:
        sql: SQL. It needs the extra ``sql``: ask `has_parser` before.

    Returns:
        The parser's words, and how many characters of the text come before the place they are about; None where it takes the text, or
        the text nests too deep to be told.
    """
    from google.protobuf.message import DecodeError  # noqa: PLC0415 -- what the extra brings, loaded only where a step needs it

    grammar = _grammar()
    try:
        grammar.parse(sql)
    except grammar.PgQueryError as error:
        return str(error), max(error.cursorpos - 1, 0)
    except DecodeError:
        pass
    return None


def without_foreign_keys(sql: str) -> tuple[str, tuple[str, ...]] | None:
    """Take the foreign keys out of a ``CREATE TABLE``, so that tables can be made in any order, also where they refer to each other.

    Args:
        sql: One statement. It needs the extra ``sql``: ask `has_parser` before.

    Returns:
        The statement without them, and for each of them an ``ALTER TABLE`` that adds it; None where it is no ``CREATE TABLE`` with any.
    """
    whole = _parsed(sql)
    if whole is None or len(whole.stmts) != 1 or whole.stmts[0].stmt.WhichOneof("node") != "create_stmt":
        return None
    statement = whole.stmts[0].stmt.create_stmt
    keys: list[Node] = []
    elements, statement_elements = list(statement.table_elts), statement.table_elts
    del statement_elements[:]
    for element in elements:
        kind = element.WhichOneof("node")
        if kind == "constraint" and _is_foreign_key(element):
            keys.append(element.constraint)
            continue
        if kind == "column_def":
            keys += _taken_keys(element.column_def)
        statement_elements.append(element)
    if not keys:
        return None
    return str(_grammar().deparse(whole)), tuple(_adding(statement.relation, key) for key in keys)


def check_condition(sql: str) -> str | None:
    """Return the condition of a check, as SQL.

    Args:
        sql: One ``ALTER TABLE`` that adds it. It needs the extra ``sql``: ask `has_parser` before.

    Returns:
        The condition; None where the statement is another.
    """
    whole = _parsed(sql)
    if whole is None or len(whole.stmts) != 1 or whole.stmts[0].stmt.WhichOneof("node") != "alter_table_stmt":
        return None
    commands = whole.stmts[0].stmt.alter_table_stmt.cmds
    condition = getattr(commands[0].alter_table_cmd, "def").constraint.raw_expr
    return _expression(condition) if len(commands) == 1 and condition.WhichOneof("node") else None


def index_terms(sql: str) -> tuple[tuple[str, ...], str] | None:
    """Return the keys of an index and its condition, as SQL; orders, collations and classes of operators are left out.

    Args:
        sql: One ``CREATE INDEX``. It needs the extra ``sql``: ask `has_parser` before.

    Returns:
        The keys, and the condition, empty for an index of all rows; None where the statement is another.
    """
    whole = _parsed(sql)
    if whole is None or len(whole.stmts) != 1 or whole.stmts[0].stmt.WhichOneof("node") != "index_stmt":
        return None
    index = whole.stmts[0].stmt.index_stmt
    elements = [node.index_elem for node in index.index_params]
    keys = tuple(quote_identifier(element.name) if element.name else _expression(element.expr) for element in elements)
    return keys, _expression(index.where_clause) if index.where_clause.WhichOneof("node") else ""


def _expression(node: Node) -> str:
    target = _part("Node")(res_target=_part("ResTarget")(val=node))
    statement = _part("SelectStmt")(target_list=[target], limit_option=_part("LimitOption").Value("LIMIT_OPTION_DEFAULT"))
    statement.op = _part("SetOperation").Value("SETOP_NONE")
    whole = _part("ParseResult")(stmts=[_part("RawStmt")(stmt=_part("Node")(select_stmt=statement))])
    return str(_grammar().deparse(whole)).removeprefix("SELECT ")


def _is_foreign_key(node: Node) -> bool:
    return bool(_part("ConstrType").Name(node.constraint.contype) == "CONSTR_FOREIGN")


def _taken_keys(column: Node) -> list[Node]:
    """Take a column's foreign keys out of it, with the words behind them that belong to them."""
    keys: list[Node] = []
    constraints = list(column.constraints)
    del column.constraints[:]
    is_behind_key = False
    for node in constraints:
        kind = _part("ConstrType").Name(node.constraint.contype)
        if kind == "CONSTR_FOREIGN":
            key = node.constraint
            key.fk_attrs.append(_part("Node")(string=_part("String")(sval=column.colname)))
            keys.append(key)
            is_behind_key = True
        elif is_behind_key and kind in _OF_KEY:
            for field, value in _OF_KEY[kind].items():
                setattr(keys[-1], field, value)
        else:
            is_behind_key = False
            column.constraints.append(node)
    return keys


def _adding(relation: Node, key: Node) -> str:
    command = _part("AlterTableCmd")(subtype=_part("AlterTableType").Value("AT_AddConstraint"))
    command.behavior = _part("DropBehavior").Value("DROP_RESTRICT")
    getattr(command, "def").CopyFrom(_part("Node")(constraint=key))
    statement = _part("AlterTableStmt")(
        relation=relation, cmds=[_part("Node")(alter_table_cmd=command)], objtype=_part("ObjectType").Value("OBJECT_TABLE")
    )
    whole = _part("ParseResult")(stmts=[_part("RawStmt")(stmt=_part("Node")(alter_table_stmt=statement))])
    return str(_grammar().deparse(whole))


def statements_of(sql: str) -> tuple[Statement, ...] | None:
    """Split SQL into its statements.

    Args:
        sql: The text.

    Returns:
        The statements in their order. A text that the grammar refuses is one statement of uncertain effect: the server may know more,
        or says where the error is. None without the extra `sql`.
    """
    if not has_parser():
        return None
    parsed = _parsed(sql)
    if parsed is None:
        return (Statement(text=sql, start=0, effect=Uncertain()),)
    raw = sql.encode()
    found = []
    bytes_before, before = 0, 0
    for one in parsed.stmts:
        end = one.stmt_location + one.stmt_len if one.stmt_len else len(raw)
        piece = raw[one.stmt_location : end].decode()
        text = piece.strip()
        before += len(raw[bytes_before : one.stmt_location].decode())  # each byte once, as in parse_sql
        bytes_before = one.stmt_location
        start = before + len(piece) - len(piece.lstrip())
        effect = _effect(one.stmt, text)
        found.append(Statement(text=text, start=start, effect=effect, refuses_transaction=_refuses_transaction(one.stmt, effect)))
    return tuple(found)


def _effect(node: Node, text: str) -> Effect:  # noqa: PLR0911 -- a table: one line for one kind of statement
    kind = node.WhichOneof("node") or ""
    if kind == "index_stmt" and node.index_stmt.concurrent:
        return _builds(node, text)
    if kind == "drop_stmt" and node.drop_stmt.concurrent:
        objects = node.drop_stmt.objects
        return DropsIndex(_qualified(objects[0].list.items)) if len(objects) == 1 else Uncertain()
    if kind == "reindex_stmt" and any(option.def_elem.defname == "concurrently" for option in node.reindex_stmt.params):
        return _rebuilds(node.reindex_stmt)
    if kind == "alter_table_stmt":
        return _alters(node.alter_table_stmt)
    if kind == "alter_enum_stmt" and not node.alter_enum_stmt.old_val:
        return AddsEnumValue(type=_qualified(node.alter_enum_stmt.type_name), value=node.alter_enum_stmt.new_val)
    if kind == "transaction_stmt":
        return ControlsTransaction()
    if kind == "variable_set_stmt":
        return Sets()
    if kind in _MAINTENANCE:
        return RunsAgain()
    return FitsTransaction() if kind in _IN_TRANSACTIONS else Uncertain()


def _refuses_transaction(node: Node, effect: Effect) -> bool:
    kind = node.WhichOneof("node") or ""
    if kind == "vacuum_stmt":
        return bool(node.vacuum_stmt.is_vacuumcmd)
    is_concurrent = isinstance(effect, (BuildsIndex, RebuildsIndexes, DetachesPartition))
    return is_concurrent or kind in _OUTSIDE or (kind == "drop_stmt" and bool(node.drop_stmt.concurrent))


def _builds(node: Node, text: str) -> BuildsIndex:
    statement = node.index_stmt
    name, table = statement.idxname or None, _named(statement.relation)
    return BuildsIndex(name=name, table=table, strict=_without_if_not_exists(text), twin=_twin(node))


def _twin(node: Node) -> str:
    whole = _part("ParseResult")(stmts=[_part("RawStmt")(stmt=node)])
    twin = whole.stmts[0].stmt.index_stmt
    twin.concurrent, twin.if_not_exists, twin.table_space = False, False, ""
    twin.relation.schemaname, twin.relation.catalogname, twin.relation.inh = "pg_temp", "", True
    return str(_grammar().deparse(whole))


def _without_if_not_exists(text: str) -> str:
    raw = bytearray(text.encode())
    name_of = _part("Token").Name
    tokens = [token for token in _grammar().scan(text).tokens if not name_of(token.token).endswith("_COMMENT")]
    words = [name_of(token.token) for token in tokens]
    for index in range(len(words) - 2):
        if words[index : index + 3] == ["IF_P", "NOT", "EXISTS"]:
            for token in tokens[index : index + 3]:
                raw[token.start : token.end] = b" " * (token.end - token.start)
            break
        if words[index] == "ON":  # what follows is of the index itself
            break
    return raw.decode()


def _rebuilds(statement: Node) -> Effect:
    scope = _SCOPES.get(_part("ReindexObjectType").Name(statement.kind))
    if scope is None:
        return Uncertain()
    if scope in ("index", "table"):
        return RebuildsIndexes(scope=scope, of=_named(statement.relation))
    return RebuildsIndexes(scope=scope, of=ObjectName(statement.name) if scope == "schema" else None)


def _alters(statement: Node) -> Effect:
    if len(statement.cmds) == 1:
        command = statement.cmds[0].alter_table_cmd
        partition = getattr(command, "def").partition_cmd
        subtype = _part("AlterTableType").Name(command.subtype)
        if subtype == "AT_DetachPartitionFinalize" or (subtype == "AT_DetachPartition" and partition.concurrent):
            return DetachesPartition(parent=_named(statement.relation), partition=_named(partition.name))
    return FitsTransaction()


def _named(relation: Node) -> ObjectName:
    return ObjectName(relation.relname, relation.schemaname or None)


def _qualified(names: Sequence[Node]) -> ObjectName:
    parts = [part.string.sval for part in names]
    return ObjectName(parts[-1], parts[-2] if len(parts) > 1 else None)
