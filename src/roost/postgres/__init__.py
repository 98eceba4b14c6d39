"""PostgreSQL: addresses, connections, sessions, the advisory lock, quoting, and an embedded server. Only this floor knows the driver."""

from roost.postgres._advisory_lock import CHANNEL, advisory_lock_key, lock_or_satisfied
from roost.postgres._binding import bind_step
from roost.postgres._blockers import watching_blockers
from roost.postgres._copy_text import Row, from_microseconds, microseconds
from roost.postgres._database import Database
from roost.postgres._embedded import EmbeddedPostgres
from roost.postgres._lock_holder import LockHolder, end_lock_holder, lock_holder, lock_timeout
from roost.postgres._parser import SQL_EXTRA, ParsedStatement, has_parser, parse_sql
from roost.postgres._protocols import Connection, ConnectionPool
from roost.postgres._quoting import dollar_quote, quote_identifier, quote_literal, quote_nullable
from roost.postgres._retry import retrying
from roost.postgres._session import MigrationSession
from roost.postgres._sqlstate import is_connection_lost, is_lock_timeout, is_retryable, sqlstate_of
from roost.postgres._url import DatabaseURL, PasswordCallable, PasswordSource
from roost.postgres._url_reading import parse_url

__all__ = [
    "CHANNEL",
    "SQL_EXTRA",
    "Connection",
    "ConnectionPool",
    "Database",
    "DatabaseURL",
    "EmbeddedPostgres",
    "LockHolder",
    "MigrationSession",
    "ParsedStatement",
    "PasswordCallable",
    "PasswordSource",
    "Row",
    "advisory_lock_key",
    "bind_step",
    "dollar_quote",
    "end_lock_holder",
    "from_microseconds",
    "has_parser",
    "is_connection_lost",
    "is_lock_timeout",
    "is_retryable",
    "lock_holder",
    "lock_or_satisfied",
    "lock_timeout",
    "microseconds",
    "parse_sql",
    "parse_url",
    "quote_identifier",
    "quote_literal",
    "quote_nullable",
    "retrying",
    "sqlstate_of",
    "watching_blockers",
]
