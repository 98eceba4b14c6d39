"""Puts the statements of a comparison in an order in which the server takes them. Pure, but for one query."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from roost.postgres import MigrationSession, ParsedStatement, parse_sql, quote_identifier

FunctionName = tuple[str, str]
ColumnName = tuple[str, str, str]

# What defaults, checks, generated columns, keys of partitions and indexes call.
_NEEDED = """
SELECT DISTINCT n.nspname, p.proname
FROM pg_depend d
JOIN pg_proc p ON p.oid = d.refobjid
JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE d.refclassid = 'pg_proc'::regclass
  AND d.classid IN ('pg_attrdef'::regclass, 'pg_constraint'::regclass, 'pg_class'::regclass)
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""
_COLUMNS = """
SELECT n.nspname, c.relname, a.attname, a.attgenerated, a.attnum
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""
_WORD = re.compile(r"[\w$]+")
_BEFORE_TABLES = frozenset(
    {
        *("create_schema_stmt", "create_extension_stmt", "create_enum_stmt", "alter_enum_stmt", "create_range_stmt"),
        *("composite_type_stmt", "create_domain_stmt", "create_seq_stmt"),
    }
)


async def column_places(session: MigrationSession) -> dict[ColumnName, tuple[bool, int]]:
    """Read where the columns of a database's tables stand; those that are computed from others stand behind all others.

    Raises:
        Exception: As the driver raises it.
    """
    rows = await session.rows(_COLUMNS)
    return {(schema or "", table or "", name or ""): (kind != "", int(number or 0)) for schema, table, name, kind, number in rows}


async def needed_functions(session: MigrationSession) -> frozenset[FunctionName]:
    """Read which functions the tables of a database need, by schema and name.

    Raises:
        Exception: As the driver raises it.
    """
    return frozenset((schema or "", name or "") for schema, name in await session.rows(_NEEDED))


def with_early_functions(statements: Sequence[ParsedStatement], needed: Collection[FunctionName]) -> list[ParsedStatement]:
    """Return statements in an order in which functions stand before the tables that need them, and behind the types that they use.

    So do those that these name in their bodies, which may be called as soon as a table is checked. A function that is dropped and made
    again stays where it is: what needs it is then made again behind it.

    Args:
        statements: The statements, in an order in which functions stand behind all tables.
        needed: The functions that tables need.
    """
    dropped = {
        _name(node.get("object_with_args", {}).get("objname", []))
        for statement in statements
        if statement.kind == "drop_stmt"
        for node in statement.tree.get("objects", [])
    }
    made = [
        (statement, name)
        for statement in statements
        if statement.kind == "create_function_stmt" and (name := _name(statement.tree.get("funcname", []))) not in dropped
    ]
    reached = {name for _, name in made if name in needed}
    is_growing = True
    while is_growing:
        words = {word for statement, name in made if name in reached for word in _WORD.findall(statement.text)}
        called = {name for _, name in made if name[1] in words} - reached
        reached |= called
        is_growing = bool(called)
    early = [statement for statement, name in made if name in reached]
    if not early:
        return list(statements)
    rest = [statement for statement in statements if statement not in early]
    place = max((index + 1 for index, statement in enumerate(rest) if statement.kind in _BEFORE_TABLES), default=0)
    return [*rest[:place], *early, *rest[place:]]


def with_columns_in_order(statements: Sequence[ParsedStatement], places: Mapping[ColumnName, tuple[bool, int]]) -> list[ParsedStatement]:
    """Return statements that add a table's new columns in the order in which they are declared.

    Args:
        statements: The statements, which add them in the order of their names.
        places: Where columns stand where they are declared.
    """
    ordered = list(statements)
    slots: dict[tuple[str, str], list[int]] = {}
    added = [_added(statement) for statement in statements]
    for index, column in enumerate(added):
        if column is not None:
            slots.setdefault(column[:2], []).append(index)
    for indexes in slots.values():
        by_place = sorted(indexes, key=lambda index: places.get(added[index] or ("", "", ""), (True, 0)))
        for index, source in zip(indexes, by_place, strict=True):
            ordered[index] = statements[source]
    return ordered


def _added(statement: ParsedStatement) -> ColumnName | None:
    if statement.kind != "alter_table_stmt" or statement.tree.get("objtype") != "OBJECT_TABLE" or len(statement.tree["cmds"]) != 1:
        return None
    command, relation = statement.tree["cmds"][0]["alter_table_cmd"], statement.tree["relation"]
    if command["subtype"] != "AT_AddColumn":
        return None
    return relation.get("schemaname", ""), relation["relname"], command["def"]["column_def"]["colname"]


def with_defaults_aside(statements: Sequence[ParsedStatement]) -> list[ParsedStatement]:
    """Return statements with a column's default dropped before its type changes, where the default is set again behind that.

    A type is changed by an expression that is given, and the old default is cast without one: that of a text to no enum.

    Args:
        statements: The statements, in order.
    """
    ordered: list[ParsedStatement] = []
    for index, statement in enumerate(statements):
        column = _altered(statement, "AT_AlterColumnType")
        if column is not None and any(_altered(later, "AT_ColumnDefault") == column for later in statements[index + 1 :]):
            schema, table, name = map(quote_identifier, column)
            ordered += parse_sql(f"ALTER TABLE {schema}.{table} ALTER COLUMN {name} DROP DEFAULT") or ()
        ordered.append(statement)
    return ordered


def with_names_free(statements: Sequence[ParsedStatement]) -> list[ParsedStatement]:
    """Return statements with a constraint dropped before an index gets its name, which the index behind the constraint has.

    Args:
        statements: The statements, in order.
    """
    ordered = list(statements)
    for index in [statement for statement in statements if statement.kind == "index_stmt"]:
        place = ordered.index(index)
        table, name = _relation(index), index.tree.get("idxname")
        found = next((one for one in ordered[place:] if _dropped_constraint(one) == name and _relation(one) == table), None)
        if found is not None:
            ordered.remove(found)
            ordered.insert(place, found)
    return ordered


def _dropped_constraint(statement: ParsedStatement) -> str | None:
    """Return the constraint that a statement drops, if it does nothing else."""
    if statement.kind != "alter_table_stmt" or len(statement.tree["cmds"]) != 1:
        return None
    command = statement.tree["cmds"][0]["alter_table_cmd"]
    return str(command["name"]) if command["subtype"] == "AT_DropConstraint" else None


def _relation(statement: ParsedStatement) -> tuple[str, str]:
    relation = statement.tree["relation"]
    return relation.get("schemaname", ""), relation["relname"]


def _altered(statement: ParsedStatement, form: str) -> ColumnName | None:
    """Return the column of a table that a statement alters in some way."""
    if statement.kind != "alter_table_stmt" or statement.tree.get("objtype") != "OBJECT_TABLE":
        return None
    relation = statement.tree["relation"]
    commands = [node["alter_table_cmd"] for node in statement.tree["cmds"]]
    names = [command.get("name", "") for command in commands if command["subtype"] == form]
    return (relation.get("schemaname", ""), relation["relname"], names[0]) if names else None


def _name(parts: Sequence[dict[str, dict[str, str]]]) -> FunctionName:
    names = [part.get("string", {}).get("sval", "") for part in parts]
    return (names[-2], names[-1]) if len(names) > 1 else ("", names[-1] if names else "")
