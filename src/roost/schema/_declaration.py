"""What a plugin declares as its schema, resolved to SQL text with its whereabouts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from typing import Any

SchemaSource: TypeAlias = "str | Path | Sequence[Path] | Mapping[str, object] | Any"
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
