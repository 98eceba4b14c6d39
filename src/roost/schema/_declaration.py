"""What a plugin declares as its schema, resolved to SQL text with its whereabouts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

from roost.errors import InvalidSchema, InvalidSqlFile
from roost.postgres import PSQL_ONLY, decode_sql, psql_command, read_sql_file, read_sql_files
from roost.schema._metadata import is_metadata, metadata_of, metadata_sql
from roost.schema._schema_name import check_schema_name, derive_schema_name

SchemaSource: TypeAlias = str | Path | Sequence[Path] | Mapping[str, object] | Any
"""SQL text, a file or folder of SQL, several files, SQLAlchemy's MetaData, or a mapping with SQLAlchemy tables among its values."""


@dataclass(frozen=True, slots=True)
class DeclaredSchema:
    """A plugin's schema, with what can't be told from its tables: ``Plugin(…, schema=DeclaredSchema(…))``.

    Attributes:
        source: SQL text; a file, or a folder with files whose names end in ``.sql``; several files; SQLAlchemy's ``MetaData``; or a
            mapping: the SQLAlchemy tables among its values are taken, each with the whole ``MetaData`` that it is in, and what else is
            among the values is ignored.
        schema: The PostgreSQL schema. None takes the one that the plugin's name gives.
        renames: New names by old ones, ``"table"`` or ``"table.column"``, each of today's tables; hints that are used up are harmless.
    """

    source: SchemaSource
    _: KW_ONLY
    schema: str | None = None
    renames: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A piece of SQL.

    Attributes:
        text: The SQL, with line feeds for line ends.
        file: The file that it is from; None for text.
    """

    text: str
    file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredPlugin:
    """What a plugin declares, as a pure value.

    Attributes:
        plugin: The plugin's name.
        schema: The PostgreSQL schema.
        scripts: Its SQL, in order.
        renames: Pairs of an old and a new name.
        is_named: Whether the schema was named, and not derived from the plugin's name.
    """

    plugin: str
    schema: str
    scripts: tuple[Script, ...]
    renames: tuple[tuple[str, str], ...] = ()
    is_named: bool = False

    @property
    def fingerprint(self) -> str:
        """``"schema:"`` and a digest of schema and texts. Renames are no part of it: a hint that is used up may go."""
        parts = [self.schema, *(script.text for script in self.scripts)]
        digest = sha256()
        for part in parts:
            raw = part.encode()
            digest.update(f"{len(raw)}:".encode() + raw)
        return f"schema:{digest.hexdigest()}"


def declared_plugin(plugin: str, given: object) -> DeclaredPlugin:
    """Resolve what a plugin declares to SQL. Files are read anew each time.

    Args:
        plugin: The plugin's name.
        given: What `DeclaredSchema.source` may be, or a `DeclaredSchema`.

    Returns:
        The declaration.

    Raises:
        InvalidSchema: It is nothing of that kind; a file or folder is missing or can't be read, is not UTF-8, or holds a NUL byte or a
            command of psql; SQLAlchemy can't write its tables down for PostgreSQL.
        InvalidSchemaName: The PostgreSQL schema can't have its name.
    """
    declared = given if isinstance(given, DeclaredSchema) else DeclaredSchema(given)
    schema = derive_schema_name(plugin) if declared.schema is None else check_schema_name(plugin, declared.schema)
    try:
        scripts = _scripts(plugin, declared.source, schema)
    except InvalidSqlFile as error:
        raise InvalidSchema(plugin=plugin, file=error.path, line=error.line, reason=error.reason) from error
    return DeclaredPlugin(
        plugin=plugin,
        schema=schema,
        scripts=scripts,
        renames=tuple(sorted(declared.renames.items())),
        is_named=declared.schema is not None,
    )


def _scripts(plugin: str, source: object, schema: str) -> tuple[Script, ...]:
    if isinstance(source, str):
        return (_checked(plugin, source),)
    if isinstance(source, Path):
        return _read(source)
    if is_metadata(source):
        return (Script(text=metadata_sql(plugin, [source], schema=schema)),)
    if isinstance(source, Mapping):
        return (Script(text=metadata_sql(plugin, metadata_of(source.values()), schema=schema)),)
    if isinstance(source, Sequence) and all(isinstance(path, Path) for path in source):
        return tuple(script for path in source for script in _read(path))
    reason = f"a schema is SQL text, a path or several, SQLAlchemy's MetaData or a mapping with its tables, and not {type(source).__name__}"
    raise InvalidSchema(plugin=plugin, reason=reason)


def _read(path: Path) -> tuple[Script, ...]:
    if not path.exists():
        raise InvalidSqlFile(path=str(path), reason="there is no such file or folder")
    if not path.is_dir():
        return (_script(path, read_sql_file(path)),)
    files = read_sql_files(path)
    if not files:
        raise InvalidSqlFile(path=str(path), reason="there is no .sql file in it")
    return tuple(_script(file, data) for file, data in files.items())


def _script(path: Path, data: bytes) -> Script:
    return Script(text=_unix_lines(decode_sql(path, data)), file=str(path))


def _checked(plugin: str, text: str) -> Script:
    text = _unix_lines(text.removeprefix("\ufeff"))
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InvalidSchema(plugin=plugin, line=line, reason="it holds a NUL byte, which PostgreSQL can't take")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise InvalidSchema(plugin=plugin, line=line, reason="it holds half of a surrogate pair, which is no text") from error
    command = psql_command(text)
    if command is not None:
        raise InvalidSchema(plugin=plugin, line=command[1], reason=f"it holds {command[0]}; {PSQL_ONLY}")
    return Script(text=text)


def _unix_lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
