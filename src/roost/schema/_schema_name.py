"""How a plugin's PostgreSQL schema is named. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from roost.errors import InvalidSchemaName, SchemaNameCollision

MAX_NAME_BYTES = 63
RESERVED = frozenset({"public", "information_schema", "roost"})
"""Names that no plugin's name may lead to: the schema of everybody, the server's own and ours."""

_SCOPE = re.compile(r"@[^/]*/")
_RUN = re.compile(r"[^a-z0-9]+")


class Named(Protocol):
    """What has a PostgreSQL schema."""

    @property
    def plugin(self) -> str:
        """The plugin's name."""

    @property
    def schema(self) -> str:
        """The PostgreSQL schema."""

    @property
    def is_named(self) -> bool:
        """Whether the schema was named, and not derived from the plugin's name."""


def derive_schema_name(plugin_name: str) -> str:
    """Return the name of a plugin's PostgreSQL schema.

    It is the plugin's name without its scope and without ``plugin-`` in front, in lower case, with ``_`` for each run of other signs than
    letters and digits. Where that is nothing, or a reserved name, it is ``plugin_`` and the whole name; before a digit stands ``p_``.

    Args:
        plugin_name: The plugin's name.

    Returns:
        Such as ``"memory"`` for ``"@org/plugin-memory"``.

    Raises:
        InvalidSchemaName: It is longer than PostgreSQL allows.
    """
    name = _normal(_SCOPE.sub("", plugin_name, count=1).lower().removeprefix("plugin-"))
    if not name or is_reserved(name):
        whole = _normal(plugin_name.lower())
        name = f"plugin_{whole}" if whole else ""
    elif not name[0].isalpha():
        name = f"p_{name}"
    return check_schema_name(plugin_name, name)


def check_schema_name(plugin_name: str, name: str) -> str:
    """Return the name of a PostgreSQL schema, if a plugin may have it.

    Raises:
        InvalidSchemaName: It is empty or too long, is no text for PostgreSQL, or belongs to the server or to roost.
    """
    given: object = name  # annotations bind nobody
    reason = ""
    if not isinstance(given, str) or not given:
        reason = "a name has at least one letter or digit"
    elif "\0" in given or any("\ud800" <= sign <= "\udfff" for sign in given):
        reason = "it holds what PostgreSQL takes for no text"
    elif len(given.encode()) > MAX_NAME_BYTES:
        reason = f"it has {len(given.encode())} bytes, and PostgreSQL cuts names at {MAX_NAME_BYTES}"
    elif given.startswith("pg_") or given == "information_schema":
        reason = "it is the server's own"
    elif given == "roost":
        reason = "it is where roost keeps its ledger"
    if reason:
        raise InvalidSchemaName(plugin=plugin_name, name=str(given), reason=reason)
    return name


def check_schema_names(declared: Sequence[Named]) -> None:
    """Check that no two plugins share a schema, but for those that all name it.

    Raises:
        SchemaNameCollision: Plugins would share a schema, and at least one of them did not name it.
    """
    by_schema: dict[str, list[Named]] = {}
    for one in declared:
        by_schema.setdefault(one.schema, []).append(one)
    for schema, sharing in by_schema.items():
        if len(sharing) > 1 and not all(one.is_named for one in sharing):
            raise SchemaNameCollision(name=schema, plugins=tuple(one.plugin for one in sharing))


def is_reserved(name: str) -> bool:
    """Tell whether no plugin's name may lead to this name."""
    return name in RESERVED or name.startswith("pg_") or name == "pg"


def _normal(text: str) -> str:
    return _RUN.sub("_", text).strip("_")
