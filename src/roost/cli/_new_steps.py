"""``roost new step`` and its like: each writes the steps of one generator into a plugin's folder."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

from roost.cli._exit_codes import ExitCode
from roost.cli._new_place import WhereSteps, place_of
from roost.cli._new_writing import write_steps
from roost.cli._options import IN_WORDS, Printing
from roost.cli._output import Output
from roost.cli._perform import perform

ANYWHERE = WhereSteps()

Table = Annotated[str, Parameter(help="The table; schema.table where it is in another schema than the plugin's own.")]
Column = Annotated[str, Parameter(help="The column.")]


def step(
    name: Annotated[str, Parameter(name=["--name", "--message", "-m"], help="What the step does, in a few words.")],
    *,
    where: WhereSteps = ANYWHERE,
    printing: Printing = IN_WORDS,
) -> int:
    """Write a step that does nothing yet, with its way back."""
    return _write("empty_step", where, printing, name, to_fill=True)


def table(
    table: Table,
    columns: Annotated[
        tuple[str, ...], Parameter(negative=(), help="Columns as name:type, and :not-null, :unique or :primary-key behind it.")
    ] = (),
    /,
    *,
    where: WhereSteps = ANYWHERE,
    printing: Printing = IN_WORDS,
) -> int:
    """Write a step that makes a table. Without a primary key among its columns it gets an `id`."""
    return _write("create_table", where, printing, table, columns)


def add_column(
    table: Table,
    column: Column,
    type: Annotated[str, Parameter(help="Its type, such as text or 'numeric(12,2)'.")],  # noqa: A002 -- SQL's own word
    *,
    default: Annotated[
        str | None, Parameter(allow_leading_hyphen=True, help="Its default, as SQL, such as 0, \"'new'\" or 'now()'.")
    ] = None,
    not_null: Annotated[bool, Parameter(negative=(), help="It must have a value; needs a default that is a constant.")] = False,
    where: WhereSteps = ANYWHERE,
    printing: Printing = IN_WORDS,
) -> int:
    """Write a step that adds a column without writing the table anew."""
    return _write("add_column", where, printing, table, column, type, default=default, not_null=not_null)


def index(
    table: Table,
    columns: Annotated[tuple[str, ...], Parameter(negative=(), help="Columns, or expressions such as 'lower(email)'.")],
    /,
    *,
    unique: Annotated[bool, Parameter(negative=(), help="No two rows may have the same.")] = False,
    where: WhereSteps = ANYWHERE,
    printing: Printing = IN_WORDS,
) -> int:
    """Write a step that builds an index CONCURRENTLY, outside a transaction."""
    return _write("create_index", where, printing, table, columns, unique=unique)


def backfill(
    table: Table,
    column: Column,
    expression: Annotated[str, Parameter(allow_leading_hyphen=True, help="Its value as SQL; it may name other columns of the row.")],
    *,
    key: Annotated[str, Parameter(help="A column that is unique and indexed.")] = "id",
    where: WhereSteps = ANYWHERE,
    printing: Printing = IN_WORDS,
) -> int:
    """Write a step that fills a column where it is NULL, a thousand rows at a time."""
    return _write("backfill", where, printing, table, column, expression, key=key)


def enum_value(
    type: Annotated[str, Parameter(help="The enum.")],  # noqa: A002 -- SQL's own word
    value: Annotated[str, Parameter(help="The new value.")],
    *,
    before: Annotated[str | None, Parameter(help="The value that it stands before.")] = None,
    after: Annotated[str | None, Parameter(help="The value that it stands after.")] = None,
    where: WhereSteps = ANYWHERE,
    printing: Printing = IN_WORDS,
) -> int:
    """Write a step that adds a value to an enum. It has no way back."""
    return _write("enum_value", where, printing, type, value, before=before, after=after)


def foreign_key(
    table: Table,
    column: Column,
    referenced: Annotated[str, Parameter(help="What it refers to: table, table.column or schema.table.column.")],
    *,
    where: WhereSteps = ANYWHERE,
    printing: Printing = IN_WORDS,
) -> int:
    """Write two steps: a foreign key NOT VALID, and the one that validates it beside readers and writers."""
    return _write("foreign_key", where, printing, table, column, referenced)


def _write(generator: str, where: WhereSteps, printing: Printing, *words: object, to_fill: bool = False, **options: object) -> int:
    async def body(output: Output) -> int:
        from roost import scaffold  # noqa: PLC0415 -- `roost --help` needs no generators

        make: Any = getattr(scaffold, generator)
        drafts = make(*words, **options)
        async with place_of(where, python=where.python) as place:
            write_steps(output, place, drafts, python=where.python, version=where.version, to_fill=to_fill)
        return ExitCode.FINE

    return perform("new", body, json=printing.json, traceback=printing.traceback, log_format=printing.log_format)
