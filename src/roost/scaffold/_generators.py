"""What ``roost new`` writes as steps: each generator takes what a person says, and returns drafts. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from roost.errors import UnfitName
from roost.postgres import dollar_quote, quote_literal
from roost.scaffold._columns import column_definitions
from roost.scaffold._drafts import Draft
from roost.scaffold._names import (
    as_literal,
    bare_name,
    is_constant,
    joined_name,
    qualified_name,
    sql_expression,
    sql_name,
    sql_type,
    step_name,
)
from roost.scaffold._rendering import render

BATCH_ROWS = 1000


def empty_step(name: str) -> tuple[Draft, ...]:
    """Return a step that does nothing yet; errors as of `step_name`."""
    return (Draft(name=step_name(name), sql=render("step.sql"), function="step.py"),)


def create_table(table: str, columns: Sequence[str]) -> tuple[Draft, ...]:
    """Return a step that makes a table.

    Args:
        table: Its name; ``schema.name`` puts it into a schema.
        columns: Each as ``name:type``, and maybe ``:not-null``, ``:unique`` or ``:primary-key`` behind it. Without a primary key, and
            without a column ``id``, which becomes it, the table gets an ``id`` of its own.

    Raises:
        UnfitName: A name, a type or what stands behind it can't be used.
    """
    sql = render("table.sql", table=qualified_name(table, what="table"), columns=column_definitions(columns))
    return (Draft(name=step_name(f"create {bare_name(table)}"), sql=sql),)


def add_column(table: str, column: str, type: str, *, default: str | None = None, not_null: bool = False) -> tuple[Draft, ...]:  # noqa: A002 -- SQL's own word
    """Return a step that adds a column without writing the table anew.

    Args:
        table: The table.
        column: The column.
        type: Its type.
        default: The default, as SQL. One that may differ from row to row holds for new rows only.
        not_null: Whether it must have a value; then it needs a constant default, for the rows that are there.

    Raises:
        UnfitName: A name, the type or the default can't be used, or is missing.
    """
    name, type_name = sql_name(column, what="column"), sql_type(type)
    value = None if default is None else sql_expression(default, what="default")
    is_same = value is not None and is_constant(value)
    if not_null and not is_same:
        what = "the rows that are there need a value"
        remedy = "add it without --not-null, fill it with roost new backfill, and then say SET NOT NULL in a step of its own"
        raise UnfitName(what="column", name=column, reason=f"{what}, so --not-null needs a constant --default; or {remedy}")
    sql = render(
        "add_column.sql",
        table=qualified_name(table, what="table"),
        column=name,
        type=type_name,
        default=as_literal(value) if value is not None and is_same else value,
        is_constant=is_same,
        not_null=not_null,
    )
    return (Draft(name=step_name(f"add {bare_name(table)} {column}"), sql=sql),)


def create_index(table: str, columns: Sequence[str], *, unique: bool = False) -> tuple[Draft, ...]:
    """Return a step that builds an index beside those who read and write, outside a transaction.

    Args:
        table: The table.
        columns: What is indexed: columns, or expressions such as ``lower(email)``.
        unique: Whether no two rows may have the same.

    Raises:
        UnfitName: A name or an expression can't be used, or there is no column.
    """
    if not columns:
        raise UnfitName(what="index", name=table, reason="it needs at least one column")
    are_names = [re.fullmatch(r"\w+", column) is not None for column in columns]
    keys = [
        sql_name(column, what="column") if is_name else f"({sql_expression(column, what='expression')})"
        for column, is_name in zip(columns, are_names, strict=True)
    ]
    said = [column if is_name else "expr" for column, is_name in zip(columns, are_names, strict=True)]
    schema, dot, _ = qualified_name(table, what="table").rpartition(".")
    index = sql_name(joined_name(bare_name(table), *said, ending="idx"), what="index")
    sql = render("index.sql", table=qualified_name(table, what="table"), index=index, place=f"{schema}{dot}", keys=keys, unique=unique)
    return (Draft(name=step_name(f"index {bare_name(table)} {' '.join(said)}"), sql=sql),)


def backfill(table: str, column: str, expression: str, *, key: str = "id") -> tuple[Draft, ...]:
    """Return a step that fills a column where it is empty, so many rows at a time.

    In SQL each batch is committed by itself, outside a transaction; as a Python function all are the step's one transaction.

    Args:
        table: The table.
        column: The column.
        expression: Its value, as SQL; it may name the row's other columns.
        key: The column by which rows are found: unique, and indexed.

    Raises:
        UnfitName: A name or the expression can't be used.
    """
    facts = {
        "table": qualified_name(table, what="table"),
        "column": sql_name(column, what="column"),
        "key": sql_name(key, what="column"),
        "value": sql_expression(expression, what="expression"),
        "rows": BATCH_ROWS,
    }
    body = render("backfill_body.sql", **facts)
    quoted = f"$${body}$$" if "$" not in body else dollar_quote(body)
    sql = render("backfill.sql", body=quoted, **facts)
    return (Draft(name=step_name(f"fill {bare_name(table)} {column}"), sql=sql, function="backfill.py", facts=facts),)


def enum_value(type: str, value: str, *, before: str | None = None, after: str | None = None) -> tuple[Draft, ...]:  # noqa: A002 -- SQL's own word
    """Return a step that adds a value to an enum; PostgreSQL takes none away, so there is no way back.

    Args:
        type: The enum.
        value: The value.
        before: The value that comes next in order.
        after: The value that comes before it in order; without both it is the last.

    Raises:
        UnfitName: A name or a value can't be used, or both places are given.
    """
    if before is not None and after is not None:
        raise UnfitName(what="value", name=value, reason="it stands before one value, or after one: give --before or --after")
    place = None if before is after is None else f"{'BEFORE' if after is None else 'AFTER'} {_label(str(before or after))}"
    sql = render("enum_value.sql", type=qualified_name(type, what="type"), value=_label(value), place=place)
    return (Draft(name=step_name(f"add {bare_name(type)} {value}"), sql=sql),)


def foreign_key(table: str, column: str, referenced: str) -> tuple[Draft, ...]:
    """Return two steps: one adds a foreign key for new rows, the other looks at the old ones while everybody reads and writes.

    Args:
        table: The table.
        column: The column.
        referenced: ``table``, for its primary key, ``table.column`` or ``schema.table.column``.

    Raises:
        UnfitName: A name can't be used.
    """
    target, dot, referenced_column = referenced.rpartition(".")
    if not dot:
        target, referenced_column = referenced, ""
    facts = {
        "table": qualified_name(table, what="table"),
        "column": sql_name(column, what="column"),
        "constraint": sql_name(joined_name(bare_name(table), column, ending="fkey"), what="constraint"),
        "target": qualified_name(target, what="table"),
        "target_column": sql_name(referenced_column, what="column") if referenced_column else None,
    }
    what = f"{bare_name(table)} {column} fkey"
    return (
        Draft(name=step_name(f"add {what}"), sql=render("foreign_key.sql", **facts)),
        Draft(name=step_name(f"validate {what}"), sql=render("validate.sql", **facts)),
    )


def _label(value: str) -> str:
    if not value or not value.isprintable() or len(value.encode()) > 63:  # noqa: PLR2004 -- bytes of a name in PostgreSQL
        raise UnfitName(what="value", name=value, reason="a value of an enum is printable, and has 1 to 63 bytes")
    return quote_literal(value).strip()
