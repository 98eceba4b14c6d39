"""Which errors may pass by themselves and which never will. Pure, by SQLSTATE, and without the driver."""

from __future__ import annotations

import socket

LOCK_NOT_AVAILABLE = "55P03"

PROTOCOL_VIOLATION = "08P01"
"""Who answered does not speak the protocol as a server does: poolers answer so to start parameters that they don't know."""

STEP_AGAIN = frozenset({"40001", "40P01", "55006", "53100", "53200", "57014", LOCK_NOT_AVAILABLE})
"""The same connection may simply try the transaction again: conflicts, deadlocks, time-outs, a full disk or memory."""

CONNECT_AGAIN = frozenset({"53300", "57P03"})
"""The server is full or not yet up."""

CONNECTION_GONE = frozenset({"57P01", "57P02", "57P05"})
"""The server ended the session: it was stopped, it crashed, or an administrator did it."""

_CLOSED_BY_DRIVER = frozenset({"ConnectionDoesNotExistError", "InternalClientError", "InterfaceError"})


def sqlstate_of(error: BaseException) -> str | None:
    """Return the SQLSTATE that the server gave with an error, or None."""
    state = getattr(error, "sqlstate", None)
    return state if isinstance(state, str) else None


def is_lock_timeout(error: BaseException) -> bool:
    """Tell whether a statement gave up waiting for a lock (``lock_timeout`` or NOWAIT)."""
    return sqlstate_of(error) == LOCK_NOT_AVAILABLE


def is_connection_lost(error: BaseException) -> bool:
    """Tell whether an error means that its connection is gone.

    Killed connections surface in the driver in several guises, some of them without a SQLSTATE.
    """
    state = sqlstate_of(error)
    if state is not None:
        return state.startswith("08") or state in CONNECTION_GONE
    if isinstance(error, (ConnectionError, TimeoutError, socket.gaierror)):
        return True
    # asyncio raises a plain OSError where several addresses of one host failed.
    if type(error) is OSError:
        return True
    return any(kind.__module__.startswith("asyncpg") and kind.__name__ in _CLOSED_BY_DRIVER for kind in type(error).__mro__)


def is_retryable(error: BaseException) -> bool:
    """Tell whether doing the whole transaction again may help.

    Never for a programming error, a violated constraint or a cancellation. A group of errors may pass only if each of them may.

    Args:
        error: What was raised.
    """
    if isinstance(error, BaseExceptionGroup):
        return all(is_retryable(one) for one in error.exceptions)
    if not isinstance(error, Exception):
        return False
    state = sqlstate_of(error)
    if state is None:
        return is_connection_lost(error)
    if state == "XX000":
        # "tuple concurrently updated": two sessions changed one object's catalogue row, and the server has no better code for it.
        return "concurrently updated" in str(error)
    return state in STEP_AGAIN or state in CONNECT_AGAIN or is_connection_lost(error)
