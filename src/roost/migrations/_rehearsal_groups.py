"""Composes what is sent to the server in a rehearsal, and reads what it measures. Pure text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from roost.migrations._rehearsal import Measure, Relation
from roost.postgres import dollar_quote

if TYPE_CHECKING:
    from roost.postgres import Row

READ_ONLY_OUTSIDE = "SET default_transaction_read_only = on"
"""What a step does after it has ended the rehearsal's transaction, the server refuses."""

WRITABLE_AGAIN = "RESET default_transaction_read_only"
"""For the next user of the server process, where a pooler gives it to one."""

SAVEPOINT = "roost_rehearsed_step"

OPEN_STEP = f"SAVEPOINT {SAVEPOINT}"
TAKE_BACK = f"ROLLBACK TO SAVEPOINT {SAVEPOINT}; RELEASE SAVEPOINT {SAVEPOINT}"
NO_SUCH_SAVEPOINT = "3B001"

NO_COMMIT = (
    "CREATE TEMPORARY TABLE pg_temp.roost_no_commit (id integer PRIMARY KEY) ON COMMIT DELETE ROWS; "
    "CREATE TEMPORARY TABLE pg_temp.roost_no_commit_either (id integer REFERENCES pg_temp.roost_no_commit)"
)
"""Makes COMMIT fail, and PREPARE TRANSACTION too: PostgreSQL refuses at that moment, and not before, a table that empties itself while
another refers to it and does not."""

CHECK_CONSTRAINTS = "SET CONSTRAINTS ALL IMMEDIATE"
"""Lets what is deferred to COMMIT be checked at the end of each step, as a run checks it."""

# A name stands for all constraints of a schema that have it, and is refused where one of them can't be deferred.
_DEFER_AGAIN = """
DECLARE
    names text;
BEGIN
    SELECT pg_catalog.string_agg(DISTINCT pg_catalog.format('%I.%I', n.nspname, c.conname), ', ') INTO names
    FROM pg_catalog.pg_constraint AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.connamespace
    WHERE c.condeferred AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND NOT pg_catalog.starts_with(n.nspname, 'pg_temp')
        AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_constraint AS other
            WHERE other.connamespace = c.connamespace AND other.conname = c.conname AND NOT other.condeferrable
        );
    IF names IS NOT NULL THEN
        EXECUTE 'SET CONSTRAINTS ' || names || ' DEFERRED';
    END IF;
END"""

# As the ledger's clean_session does it, whose functions may not be there yet.
_CLEAN_SESSION = """
DECLARE
    end_it text;
BEGIN
    PERFORM pg_catalog.pg_advisory_unlock_all();
    IF pg_catalog.pg_my_temp_schema() <> 0 THEN
        DISCARD TEMP;
    END IF;
    UNLISTEN *;
    FOR end_it IN
        SELECT pg_catalog.format('DEALLOCATE %I', name) FROM pg_catalog.pg_prepared_statement() WHERE from_sql
        UNION ALL
        SELECT pg_catalog.format('CLOSE %I', name) FROM pg_catalog.pg_cursor() WHERE is_holdable
    LOOP
        EXECUTE end_it;
    END LOOP;
END"""

MEASURE = """
SELECT 'transaction', pg_catalog.pg_current_xact_id()::text, pg_catalog.current_setting('track_counts'),
    (SELECT pg_catalog.count(*) FROM pg_catalog.pg_enum)::text, NULL
UNION ALL
SELECT 'relation', c.oid::text, pg_catalog.format('%I.%I', n.nspname, c.relname), c.relkind::text, c.relfilenode::text
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND NOT pg_catalog.starts_with(n.nspname, 'pg_toast')
    AND NOT (n.oid = pg_catalog.pg_my_temp_schema() AND pg_catalog.starts_with(c.relname, 'roost_no_commit'))
UNION ALL
SELECT 'lock', relation::text, mode, NULL, NULL
FROM pg_catalog.pg_locks
WHERE pid = pg_catalog.pg_backend_pid() AND locktype = 'relation' AND granted
    AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
UNION ALL
SELECT 'rows', relid::text, n_tup_ins::text, n_tup_upd::text, n_tup_del::text
FROM pg_catalog.pg_stat_xact_user_tables
WHERE n_tup_ins + n_tup_upd + n_tup_del > 0
"""
"""Asks in one round trip; for PostgreSQL 14 and later."""

_KINDS = {
    "r": "table",
    "p": "table",
    "f": "foreign table",
    "m": "materialized view",
    "v": "view",
    "i": "index",
    "I": "index",
    "S": "sequence",
    "c": "type",
}


def begin(opening: str, *, key: int) -> str:
    """Return the beginning of a rehearsal's transaction, which takes the migration lock over from the session.

    The session's own lock a step could give away, the transaction's nobody can.

    Args:
        opening: What begins a transaction on the session.
        key: The lock's key.
    """
    return f"{opening}; SELECT pg_catalog.pg_advisory_xact_lock({key}); SELECT pg_catalog.pg_advisory_unlock({key})"


def close_step(resets: str) -> str:
    """Return what follows a step's body: the session's settings and role return, and what was deferred is checked.

    Args:
        resets: What undoes whatever a step may have set.
    """
    return f"{reset(resets)}; {CHECK_CONSTRAINTS}"


def leave_step() -> str:
    """Return what follows a step once it is measured: nothing of it stays in the session but what it did to the database."""
    return f"DO {dollar_quote(_DEFER_AGAIN)}; DO {dollar_quote(_CLEAN_SESSION)}; RELEASE SAVEPOINT {SAVEPOINT}"


def take_back(resets: str) -> str:
    """Return what undoes a step that failed, and what no rollback reaches in the session."""
    return f"{TAKE_BACK}; {reset(resets)}; DO {dollar_quote(_CLEAN_SESSION)}"


def reset(resets: str) -> str:
    """Return what undoes whatever a step may have set; outside the rehearsal's transaction nothing may be written then either."""
    return f"{resets}; {READ_ONLY_OUTSIDE}"


def read_measure(rows: Sequence[Row]) -> Measure:
    """Return what the server answered to `MEASURE`."""
    of_kind: dict[str | None, list[Row]] = {"transaction": [], "relation": [], "lock": [], "rows": []}
    for row in rows:
        of_kind[row[0]].append(row)
    ((_, transaction, counts, values, _),) = of_kind["transaction"]
    return Measure(
        transaction=transaction or "",
        counts_rows=counts == "on",
        enum_values=int(values or 0),
        relations={
            int(oid or 0): Relation(name=name or "", kind=_KINDS.get(kind or "", "relation"), file=int(file or 0))
            for _, oid, name, kind, file in of_kind["relation"]
        },
        locks=frozenset((int(oid or 0), mode or "") for _, oid, mode, _, _ in of_kind["lock"]),
        rows={int(oid or 0): (int(new or 0), int(changed or 0), int(gone or 0)) for _, oid, new, changed, gone in of_kind["rows"]},
    )
