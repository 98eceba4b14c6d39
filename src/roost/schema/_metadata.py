"""Writes SQLAlchemy's MetaData down as SQL. The one room that knows SQLAlchemy, and loads it only where such a thing is given."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Any

from roost.errors import InvalidSchema, SchemaExtraMissing

Table = Any
"""A table of SQLAlchemy's, which need not be installed."""


def is_metadata(given: object) -> bool:
    """Tell whether something is SQLAlchemy's MetaData."""
    # Of its class: to ask the value itself would sort its tables.
    return _is_of_sqlalchemy(given) and hasattr(type(given), "sorted_tables") and hasattr(type(given), "create_all")


def metadata_of(values: Iterable[object]) -> list[Any]:
    """Return the MetaData of the tables among some values, each once; a mapped class stands for its table, and all else is ignored."""
    found: list[Any] = []
    for value in values:
        table = getattr(value, "__table__", value)
        metadata = getattr(table, "metadata", None) if _is_of_sqlalchemy(table) else None
        if metadata is not None and is_metadata(metadata) and not any(metadata is one for one in found):
            found.append(metadata)
    return found


def metadata_sql(plugin: str, metadata: Iterable[Any], *, schema: str) -> str:
    """Write down all that SQLAlchemy would make: types, sequences, tables, indexes, comments and keys that are added later.

    Tables that name another PostgreSQL schema are another plugin's: they are there for foreign keys, and not written.

    Args:
        plugin: The plugin's name.
        metadata: SQLAlchemy's MetaData, each once.
        schema: The plugin's PostgreSQL schema.

    Returns:
        SQL; names without a schema are left so.

    Raises:
        InvalidSchema: SQLAlchemy can't write it down, or all tables name another schema.
        SchemaExtraMissing: SQLAlchemy is not installed.
    """
    try:
        sqlalchemy = import_module("sqlalchemy")
    except ImportError as error:
        raise SchemaExtraMissing(package="SQLAlchemy") from error
    statements: list[str] = []

    def noted(element: Any, *_: object, **__: object) -> None:  # noqa: ANN401 -- a statement of SQLAlchemy's
        statements.append(str(element.compile(dialect=engine.dialect)).strip())

    # This dialect writes a per cent sign as it is.
    engine = sqlalchemy.create_mock_engine("postgresql+asyncpg://", noted)
    for one in metadata:
        tables = list(one.tables.values())
        own = [table for table in tables if table.schema in (None, schema)]
        if tables and not own:
            others = ", ".join(sorted({str(table.schema) for table in tables}))
            reason = f"its tables are for the PostgreSQL schema {others}, and the plugin's is {schema}"
            raise InvalidSchema(plugin=plugin, reason=f"{reason}; name it: DeclaredSchema(…, schema={others!r})")
        try:
            one.create_all(engine, tables=None if len(own) == len(tables) else own, checkfirst=False)
        except sqlalchemy.exc.SQLAlchemyError as error:
            raise InvalidSchema(plugin=plugin, reason=f"SQLAlchemy can't write it down: {error}") from error
    return "".join(f"{statement};\n" for statement in statements)


def _is_of_sqlalchemy(given: object) -> bool:
    return any(kind.__module__.partition(".")[0] == "sqlalchemy" for kind in type(given).__mro__)
