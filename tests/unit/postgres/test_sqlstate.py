from __future__ import annotations

import asyncio
import socket

import asyncpg
import pytest

from roost.postgres import is_connection_lost, is_lock_timeout, is_retryable, sqlstate_of

PASSING = [
    asyncpg.SerializationError("40001"),
    asyncpg.DeadlockDetectedError("40P01"),
    asyncpg.LockNotAvailableError("55P03"),
    asyncpg.TooManyConnectionsError("53300"),
    asyncpg.CannotConnectNowError("57P03"),
    asyncpg.AdminShutdownError("57P01"),
    asyncpg.ConnectionDoesNotExistError("gone"),
    asyncpg.InterfaceError("closed"),
    asyncpg.InternalServerError("tuple concurrently updated"),
    ConnectionResetError(),
    TimeoutError(),
    socket.gaierror(),
    OSError("several addresses"),
    ExceptionGroup("both", [ConnectionResetError(), asyncpg.SerializationError("40001")]),
]
LASTING = [
    asyncpg.UndefinedColumnError("42703"),
    asyncpg.PostgresSyntaxError("42601"),
    asyncpg.UniqueViolationError("23505"),
    asyncpg.InternalServerError("something else"),
    asyncpg.InsufficientPrivilegeError("42501"),
    TypeError(),
    PermissionError(),
    FileNotFoundError(),
    ExceptionGroup("both", [ConnectionResetError(), TypeError()]),
    asyncio.CancelledError(),
    KeyboardInterrupt(),
]


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_what_may_pass(error: BaseException) -> None:
    """Conflicts, full servers and lost connections may pass by themselves."""
    assert is_retryable(error)


@pytest.mark.parametrize("error", LASTING, ids=repr)
def test_what_will_not_pass(error: BaseException) -> None:
    """Programming errors, constraints, rights and cancellations stay what they are."""
    assert not is_retryable(error)


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (asyncpg.AdminShutdownError("57P01"), True),
        (asyncpg.PostgresConnectionError("08006"), True),
        (ConnectionResetError(), True),
        (asyncpg.SerializationError("40001"), False),
        (FileNotFoundError(), False),
    ],
    ids=repr,
)
def test_lost_connections(error: BaseException, lost: bool) -> None:  # noqa: FBT001 -- a parameter of pytest
    """Only errors after which the connection can't be used count as its loss."""
    assert is_connection_lost(error) is lost


def test_codes() -> None:
    """A SQLSTATE is a text that the server gave; anything else of that name is none."""
    other = ValueError()
    other.sqlstate = 7  # type: ignore[attr-defined]  # somebody else's attribute
    assert [sqlstate_of(error) for error in (asyncpg.LockNotAvailableError("x"), other, ValueError())] == ["55P03", None, None]
    assert [is_lock_timeout(error) for error in (asyncpg.LockNotAvailableError("x"), asyncpg.DeadlockDetectedError("x"))] == [True, False]
