"""Makes connections: bounded attempts, errors that name the address and never the password, sockets that notice a dead peer."""

from __future__ import annotations

import getpass
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode

from roost.errors import DatabaseError, DatabaseRefused, DatabaseUnreachable, InvalidDatabaseURL
from roost.postgres._binding import refuse_in_step
from roost.postgres._password import asked_password
from roost.postgres._password_file import password_file_trouble, with_found_password
from roost.postgres._retry import retrying
from roost.postgres._service_file import with_service
from roost.postgres._sqlstate import CONNECT_AGAIN, PROTOCOL_VIOLATION, is_connection_lost, sqlstate_of
from roost.postgres._tls import meaning_of_tls_error, system_context
from roost.postgres._url_parameters import SYSTEM

if TYPE_CHECKING:
    from asyncpg import Connection as DriverConnection

    from roost.postgres._url import DatabaseURL

T = TypeVar("T")

CONNECT_SECONDS = 10.0
LONGEST_DELAY = 5.0
REFUSED = ("28", "3D")
"""SQLSTATE classes for wrong credentials and a database that doesn't exist: trying again can't help."""
WRONG_PASSWORD = "28P01"  # noqa: S105 -- a SQLSTATE
UNKNOWN_SETTING = "42704"


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
        DatabaseError: As of `connect_once`, after so many attempts.
        StepEscapeError: Called inside a migration step.
        Exception: What else the server answered, as the driver raises it.
    """
    refuse_in_step()
    return await persistently(
        lambda: connect_once(url, server_settings={**server_settings}, **arguments), attempts=attempts, delay=delay, max_delay=LONGEST_DELAY
    )


async def persistently(once: Callable[[], Awaitable[T]], *, attempts: int, delay: float, max_delay: float) -> T:
    """Try to connect until somebody answers.

    Args:
        once: One attempt, which raises the errors of `connect_once`.
        attempts: How often to try.
        delay: Seconds before the second try; each further wait is twice as long.
        max_delay: The longest wait in seconds.

    Returns:
        What the attempt that succeeded returned.

    Raises:
        DatabaseUnreachable: Nobody answered; it says how often that was tried.
        Exception: What ended an attempt for which another one can't help.
    """
    tries = 0

    async def counted() -> T:
        nonlocal tries
        tries += 1
        return await once()

    # Setting up retries takes a share of the time in which a server nearby answers, so it waits for a first failure, which becomes theirs.
    failures: list[Exception] = []
    try:
        return await counted()
    except Exception as error:  # noqa: BLE001 -- raised again by the first of the attempts
        failures.append(error)

    async def again() -> T:
        if failures:
            raise failures.pop()
        return await counted()

    made: list[T] = []
    try:
        async for attempt in retrying(attempts=attempts, delay=delay, max_delay=max_delay, retryable=may_answer_later):
            with attempt:
                made.append(await again())
    except DatabaseUnreachable as error:
        raise replace(error, attempts=tries) from error.__cause__
    return made[0]


async def connect_once(url: DatabaseURL, **arguments: Any) -> DriverConnection:
    """Connect to a database in one attempt.

    Args:
        url: The database; its service is looked up and its password asked for now.
        **arguments: What else the driver is to know.

    Returns:
        The driver's connection.

    Raises:
        DatabaseUnreachable: Nobody answers, or the server is full or not up.
        DatabaseRefused: The server refuses user, password or database.
        PasswordUnavailable: The callable for the password gave none.
        TLSNotOffered: The server has no encryption, which is required.
        CertificateRefused: The server's certificate does not prove what `sslmode` asks for.
        TLSFileUnusable: A file with certificates or keys is missing or malformed.
        InvalidDatabaseURL: The URL, or its service, asks for what can't be had.
        Exception: What else the server answered, as the driver raises it.
    """
    import asyncpg  # the driver is loaded by who connects, not by who imports roost

    seconds = url.connect_timeout or CONNECT_SECONDS
    served = with_user(with_service(url))
    known = with_found_password(await asked_password(served, seconds=seconds))
    try:
        connection: DriverConnection = await asyncpg.connect(**connect_arguments(known), timeout=seconds, **arguments)
    except Exception as error:
        trouble = password_file_trouble(served) if sqlstate_of(error) == WRONG_PASSWORD else ""
        meaning = meaning_of(error, known, seconds=seconds, trouble=trouble)
        if meaning is None:
            raise
        raise meaning from error
    keep_alive(connection)
    return connection


async def client_address(url: DatabaseURL) -> str:
    """Return a database's address for a library that connects by the same driver and reads nothing else.

    Args:
        url: The database; its service is looked up and its password asked for now.

    Returns:
        A URL, which holds the password.

    Raises:
        PasswordUnavailable: The callable for the password gave none.
        InvalidDatabaseURL: The URL, or its service, asks for what can't be had.
    """
    served = with_user(with_service(url))
    known = with_found_password(await asked_password(served, seconds=url.connect_timeout or CONNECT_SECONDS))
    # What the driver has no word for, and takes for settings of the server.
    paths = ssl.get_default_verify_paths()
    system = "sslrootcert", SYSTEM
    params = tuple((key, (paths.cafile or paths.openssl_cafile) if (key, value) == system else value) for key, value in known.params)
    return replace(known, params=params, connect_timeout=None).dsn


def with_user(url: DatabaseURL) -> DatabaseURL:
    """Fill in the default for the role: PGUSER, then the name of the system's user.

    Raises:
        InvalidDatabaseURL: The process runs as a user that the system has no name for, as in some containers.
    """
    user = url.user or os.environ.get("PGUSER")
    if not user:
        try:
            user = getpass.getuser()
        except (ImportError, KeyError, OSError) as error:
            reason = "it names no user, and the system has no name for the one that this process runs as"
            raise InvalidDatabaseURL(reason=reason) from error
    return replace(url, user=user)


def connect_arguments(url: DatabaseURL) -> dict[str, Any]:
    """Return the driver's arguments for a URL that has no service and no callable.

    Raises:
        OSError: The client's certificate can't be loaded.
    """
    ports = [port for _, port in url.hosts]
    trusted = system_context(url)
    params = [(key, value) for key, value in url.params if trusted is None or not key.startswith("ssl")]
    return {
        # What is told apart here is not put together for the driver to take apart again: it reads some URLs in another way than libpq.
        "host": [host for host, _ in url.hosts] or None,
        "port": [port or 5432 for port in ports] if any(ports) else None,
        "user": url.user,
        "password": url.password,
        "database": url.database,
        "dsn": f"postgresql://?{urlencode(params, quote_via=quote)}" if params else None,
        **({"ssl": trusted} if trusted is not None else {}),
    }


def may_answer_later(error: BaseException) -> bool:
    """Tell whether another attempt to connect may find the server up."""
    if isinstance(error, DatabaseUnreachable) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, (ssl.SSLError, PermissionError, ValueError)) or sqlstate_of(error) == PROTOCOL_VIOLATION:
        return False
    return isinstance(error, OSError) or sqlstate_of(error) in CONNECT_AGAIN or is_connection_lost(error)


def meaning_of(error: Exception, url: DatabaseURL, *, seconds: float, trouble: str) -> DatabaseError | None:
    """Return what a failed attempt to connect means to people, None where the error says it best itself.

    Args:
        error: What the driver raised.
        url: Where it was to connect.
        seconds: How long it had.
        trouble: Why no password was found, if that may be the reason.
    """
    state = sqlstate_of(error) or ""
    reason = url.redact(str(error) or type(error).__name__)
    if state.startswith(REFUSED):
        return DatabaseRefused(location=url.location, reason=f"{reason}; {trouble}" if trouble else reason)
    if state == UNKNOWN_SETTING and any(f'"{name}"' in reason for name, _ in url.params):
        return InvalidDatabaseURL(reason=f"neither roost nor the server knows one of its parameters: {reason}")
    by_tls = meaning_of_tls_error(error, url)
    if by_tls is not None:
        return by_tls
    if isinstance(error, ValueError) and not isinstance(error, OSError):
        return InvalidDatabaseURL(reason=reason)
    if isinstance(error, TimeoutError) and not str(error):
        reason = f"no answer within {seconds:g} s"
    if isinstance(error, OSError) or may_answer_later(error):
        return DatabaseUnreachable(location=url.location, attempts=1, reason=reason)
    return None


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
