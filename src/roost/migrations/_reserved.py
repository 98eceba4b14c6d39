"""Names that a plugin's PostgreSQL schema can't have. Pure."""

from __future__ import annotations

from roost.errors import InvalidIdentifier
from roost.postgres import quote_identifier

LEDGER_SCHEMA = "roost"
SERVERS_OWN = "information_schema"
SERVERS_PREFIX = "pg_"


def check_schema(name: str | None) -> None:
    """Refuse a schema's name before anything runs.

    Args:
        name: The name; None is ``public``.

    Raises:
        InvalidIdentifier: It can't be quoted, is longer than PostgreSQL's names are, or belongs to the server or to the ledger.
    """
    if name is None:
        return
    quote_identifier(name)
    if name.startswith(SERVERS_PREFIX) or name == SERVERS_OWN:
        raise InvalidIdentifier(name=name, reason="schemas of this name are the server's own")
    if name == LEDGER_SCHEMA:
        raise InvalidIdentifier(name=name, reason="roost keeps its ledger in the schema of this name")
