"""What scratch databases are called, so that it can be told whose one is that nobody uses any more."""

from __future__ import annotations

import secrets
from hashlib import sha256

from roost.postgres import DatabaseURL, MigrationSession, quote_identifier, quote_literal, sqlstate_of

PREFIX = "roost_scratch_"
NOT_ALLOWED = ("42501", "0A000")
"""The role may not create databases, or there is no such thing on this server."""

_IN_USE = "55006"
_UNUSED = """
SELECT datname, split_part(datname, '_', 4) FROM pg_database AS d
WHERE datname ~ {pattern}
AND NOT EXISTS (SELECT FROM pg_stat_activity AS a WHERE a.datid = d.oid OR a.pid::text = split_part(d.datname, '_', 5))
ORDER BY 1
"""


def scratch_home(database_url: DatabaseURL, *, oid: str, is_same: bool) -> str:
    """Return what stands for a database in the names of its scratch databases.

    Args:
        database_url: The database.
        oid: Its number on its server.
        is_same: Whether scratch databases are made on that server. On another one databases of several servers may meet, where one
            number is that of many.
    """
    return oid if is_same else f"x{sha256(f'{database_url.location} {oid}'.encode()).hexdigest()[:8]}"


def scratch_name(home: str, *, run: int, pid: str) -> str:
    """Return a name for a scratch database, by which it is known from its birth whose it is, and who makes it.

    Args:
        home: As of `scratch_home`.
        run: The run's number.
        pid: The server process that makes it.
    """
    return f"{PREFIX}{home}_{run}_{pid}_{secrets.token_hex(3)}"


async def drop_stale_scratches(session: MigrationSession, home: str, *, run: int) -> tuple[str, ...]:
    """Drop the scratch databases that killed runs of a database left on a server.

    Those that somebody uses are left, and so are those whose maker is still there: it may be about to connect.

    Args:
        session: A session on the server.
        home: What stands for the real database, as of `scratch_home`.
        run: The number of the run; nothing of a later one is dropped.

    Returns:
        The names of those that were dropped.

    Raises:
        Exception: As the driver raises it.
    """
    pattern = quote_literal(f"^{PREFIX}{home}_[0-9]+_[0-9]+_[0-9a-f]+$")
    dropped: list[str] = []
    for name, number in await session.rows(_UNUSED.format(pattern=pattern)):
        if int(number or 0) > run:
            continue
        try:
            await session.execute(f"DROP DATABASE IF EXISTS {quote_identifier(name or '')}")
        except Exception as error:
            # Somebody looks at it, or it is another role's.
            if sqlstate_of(error) not in (_IN_USE, *NOT_ALLOWED):
                raise
        else:
            dropped.append(name or "")
    return tuple(dropped)
