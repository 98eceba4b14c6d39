"""A service manager's datagram socket, as sd_notify(3) describes it, and what a process tells there."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from roost.errors import InvalidNotifyVariable

SECONDS_BETWEEN_TRIES = 0.05
"""Until a full socket is tried again."""

_log = logging.getLogger("roost.telemetry")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceManager:
    """How a service manager wants to be told.

    Attributes:
        address: Its socket's address.
        watchdog: Seconds without a sign of life after which it takes the process for dead; None where it does not watch.
    """

    address: str
    watchdog: float | None


def service_manager(environment: Mapping[str, str], *, pid: int) -> ServiceManager | None:
    """Read the environment.

    Args:
        environment: Its variables.
        pid: This process.

    Returns:
        Who listens; None where nobody does.

    Raises:
        InvalidNotifyVariable: A variable makes no sense.
    """
    given = environment.get("NOTIFY_SOCKET")
    if not given:
        return None
    if given[0] not in "/@":
        raise InvalidNotifyVariable(variable="NOTIFY_SOCKET", value=given, reason="it is neither an absolute path nor an abstract name")
    # An abstract name begins with a NUL, which no variable can hold.
    return ServiceManager(address=f"\0{given[1:]}" if given[0] == "@" else given, watchdog=_watchdog(environment, pid=pid))


def _watchdog(environment: Mapping[str, str], *, pid: int) -> float | None:
    given = environment.get("WATCHDOG_USEC")
    # A process that another one has started inherits the variables, and is not the one that is watched.
    if not given or environment.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    if not given.isdecimal() or int(given) == 0:
        raise InvalidNotifyVariable(variable="WATCHDOG_USEC", value=given, reason="it is no number of microseconds")
    return int(given) / 1e6


class NotifySocket:
    """Tells a service manager something, without ever waiting for it.

    Args:
        address: The address of its socket.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._unsent: deque[bytes] = deque()
        self._is_failing = False

    def tell(self, *assignments: str, is_vital: bool = False) -> None:
        """Tell assignments such as ``"READY=1"`` in one message.

        Args:
            *assignments: Each in one line.
            is_vital: Whether it is kept for later where the socket is full; what is told again and again is not.
        """
        message = "\n".join(" ".join(one.splitlines()) for one in assignments).encode("utf-8", "replace")
        self._send_waiting()
        if (self._unsent or not self._sent(message)) and is_vital:
            self._unsent.append(message)
            self._try_later()

    def give_up(self) -> None:
        """Tell nothing more of what could not be told yet."""
        self._unsent.clear()

    def _try_later(self) -> None:
        asyncio.get_running_loop().call_later(SECONDS_BETWEEN_TRIES, self._try_again)

    def _try_again(self) -> None:
        self._send_waiting()
        if self._unsent:
            self._try_later()

    def _send_waiting(self) -> None:
        while self._unsent and self._sent(self._unsent[0]):
            self._unsent.popleft()

    def _sent(self, message: bytes) -> bool:
        """Send a message, and tell whether there was room for it; where nobody listens it is as good as sent."""
        try:
            # A new one each time, as systemd's own library does: so there is none to close.
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
                one.settimeout(0)
                one.sendto(message, self._address)
        except BlockingIOError:
            return False
        except OSError as error:
            if not self._is_failing:
                name = os.fsdecode(self._address.replace("\0", "@", 1))
                _log.warning("the service manager can't be told anything by %s: %s", name, error)
            self._is_failing = True
        else:
            self._is_failing = False
        return True
