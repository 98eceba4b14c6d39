"""PostgreSQL: addresses, connections, sessions, the advisory lock, quoting, and an embedded server. Only this floor knows the driver."""

from roost.postgres._advisory_lock import CHANNEL, WATCH_SECONDS, advisory_lock_key, lock_or_satisfied
from roost.postgres._binding import bind_step
from roost.postgres._blockers import blockers_by_pid, watching_blockers
from roost.postgres._connect import client_address
from roost.postgres._copy_text import Row, from_microseconds, microseconds
from roost.postgres._database import Database
from roost.postgres._embedded import EmbeddedPostgres
from roost.postgres._lock_holder import LockHolder, end_lock_holder, lock_holder, lock_timeout
from roost.postgres._parse_tree import Tree, input_parameters, names_of, names_of_object
from roost.postgres._parser import (
    SQL_EXTRA,
    ParsedStatement,
    check_condition,
    has_parser,
    index_terms,
    parse_sql,
    statements_of,
    syntax_fault,
    without_foreign_keys,
)
from roost.postgres._pooler import Pooling
from roost.postgres._protocols import Connection, ConnectionPool
from roost.postgres._quoting import dollar_quote, quote_identifier, quote_literal, quote_nullable
from roost.postgres._retry import retrying
from roost.postgres._session import MigrationSession
from roost.postgres._sql_source import decode_sql, read_sql_file, read_sql_files
from roost.postgres._sql_text import PSQL_ONLY, copies_from_stdin, is_blank, line_comments, normal_form, psql_command
from roost.postgres._sqlstate import is_connection_lost, is_lock_timeout, is_retryable, sqlstate_of
from roost.postgres._statement_watch import BuildProgress, StatementWatch, watching_statement
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
from roost.postgres._url import DatabaseURL, PasswordCallable, PasswordSource
from roost.postgres._url_reading import parse_url

__all__ = [
    "CHANNEL",
    "PSQL_ONLY",
    "SQL_EXTRA",
    "WATCH_SECONDS",
    "AddsEnumValue",
    "BuildProgress",
    "BuildsIndex",
    "Connection",
    "ConnectionPool",
    "ControlsTransaction",
    "Database",
    "DatabaseURL",
    "DetachesPartition",
    "DropsIndex",
    "Effect",
    "EmbeddedPostgres",
    "FitsTransaction",
    "LockHolder",
    "MigrationSession",
    "ObjectName",
    "ParsedStatement",
    "PasswordCallable",
    "PasswordSource",
    "Pooling",
    "RebuildsIndexes",
    "Row",
    "RunsAgain",
    "Sets",
    "Statement",
    "StatementWatch",
    "Tree",
    "Uncertain",
    "advisory_lock_key",
    "bind_step",
    "blockers_by_pid",
    "check_condition",
    "client_address",
    "copies_from_stdin",
    "decode_sql",
    "dollar_quote",
    "end_lock_holder",
    "from_microseconds",
    "has_parser",
    "index_terms",
    "input_parameters",
    "is_blank",
    "is_connection_lost",
    "is_lock_timeout",
    "is_retryable",
    "line_comments",
    "lock_holder",
    "lock_or_satisfied",
    "lock_timeout",
    "microseconds",
    "names_of",
    "names_of_object",
    "normal_form",
    "parse_sql",
    "parse_url",
    "psql_command",
    "quote_identifier",
    "quote_literal",
    "quote_nullable",
    "read_sql_file",
    "read_sql_files",
    "retrying",
    "sqlstate_of",
    "statements_of",
    "syntax_fault",
    "watching_blockers",
    "watching_statement",
    "without_foreign_keys",
]
