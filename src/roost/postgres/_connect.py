"""Makes connections: bounded attempts, errors that name the address and never the password, sockets that notice a dead peer."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from roost.errors import DatabaseRefused, DatabaseUnreachable
from roost.postgres._binding import refuse_in_step
from roost.postgres._retry import retrying
from roost.postgres._sqlstate import CONNECT_AGAIN, PROTOCOL_VIOLATION, is_connection_lost, sqlstate_of

if TYPE_CHECKING:
    from asyncpg import Connection as DriverConnection

    from roost.postgres._url import DatabaseURL

CONNECT_SECONDS = 10.0
LONGEST_DELAY = 5.0
REFUSED = ("28", "3D")
"""SQLSTATE classes for wrong credentials and a database that doesn't exist: trying again can't help."""


async def connect(
    url: DatabaseURL, *, server_settings: Mapping[str, str], attempts: int, delay: float, **arguments: Any
) -> DriverConnection:
    """Connect to a database.

    Args:
        url: The database.
        server_settings: Start parameters; they travel with the first message and cost nothing.
        attempts: How often to try.
        delay: Seconds before the second try; each further wait is twice as long, up to 5.
        **arguments: Whatever else the driver is to know.

    Returns:
        The driver's connection.

    Raises:
        DatabaseUnreachable: Nobody answered, or the server was full or not up, in every attempt.
        DatabaseRefused: The server refused user, password or database.
        StepEscapeError: Called inside a migration step.
        Exception: What else the server answered, as the driver raises it.
    """
    refuse_in_step()
    import asyncpg  # the driver is loaded by who connects, not by who imports roost

    async def once() -> DriverConnection:
        connection: DriverConnection = await asyncpg.connect(**connect_arguments(url), server_settings={**server_settings}, **arguments)
        keep_alive(connection)
        return connection

    # Setting up retries takes a share of the time in which a server nearby answers, so it waits for a first failure, which becomes theirs.
    failures: list[Exception] = []
    try:
        return await once()
    except Exception as error:  # noqa: BLE001 -- raised again by the first of the attempts
        failures.append(error)

    async def again() -> DriverConnection:
        if failures:
            raise failures.pop()
        return await once()

    made: list[DriverConnection] = []
    try:
        async for attempt in retrying(attempts=attempts, delay=delay, max_delay=LONGEST_DELAY, retryable=may_answer_later):
            with attempt:
                made.append(await again())
    except Exception as error:  # noqa: BLE001 -- raised again, as what it means
        raise_connect_error(error, url, attempts=attempts)
    return made[0]


def connect_arguments(url: DatabaseURL) -> dict[str, Any]:
    """Return the driver's arguments for a URL."""
    return {"dsn": url.dsn, "timeout": url.connect_timeout or CONNECT_SECONDS}


def may_answer_later(error: BaseException) -> bool:
    """Tell whether another attempt to connect may find the server up."""
    if isinstance(error, (ssl.SSLError, PermissionError)) or sqlstate_of(error) == PROTOCOL_VIOLATION:
        return False
    return isinstance(error, OSError) or sqlstate_of(error) in CONNECT_AGAIN or is_connection_lost(error)


def raise_connect_error(error: Exception, url: DatabaseURL, *, attempts: int) -> None:
    """Raise what a failed connection means to people.

    Raises:
        DatabaseUnreachable: Nobody answered.
        DatabaseRefused: The server said no.
        Exception: `error` itself, where it is neither.
    """
    reason = url.redact(str(error) or type(error).__name__)
    state = sqlstate_of(error) or ""
    if state.startswith(REFUSED):
        raise DatabaseRefused(location=url.location, reason=reason) from error
    if isinstance(error, OSError) or may_answer_later(error):
        raise DatabaseUnreachable(location=url.location, attempts=attempts, reason=reason) from error
    raise error


def keep_alive(connection: DriverConnection) -> None:
    """Let the socket notice a server that vanished; the driver itself would wait for ever."""
    transport = getattr(connection, "_transport", None)
    raw = transport.get_extra_info("socket") if transport is not None else None
    if raw is None or raw.family not in (socket.AF_INET, socket.AF_INET6):
        return
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = {"TCP_KEEPIDLE": 2, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 5000}
    for name, value in options.items():
        if hasattr(socket, name):
            raw.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
