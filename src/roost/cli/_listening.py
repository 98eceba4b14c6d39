"""Takes a port to serve on before anything else is done, so that nobody else gets it meanwhile."""

from __future__ import annotations

import errno
import ipaddress
import socket

from roost.errors import PortTaken

DEFAULT_PORT = 8000
_TRIES = 100


def listening_socket(host: str, port: int | None) -> socket.socket:
    """Listen on a port.

    Args:
        host: An address or a name of this machine.
        port: The port; None takes the default one, or the next that is free.

    Returns:
        The socket. Who connects to it waits until somebody accepts.

    Raises:
        PortTaken: The port that was given is taken, or none can be had on this host.
    """
    first = DEFAULT_PORT if port is None else port
    for candidate in range(first, first + (_TRIES if port is None else 1)):
        try:
            return _listen(host, candidate)
        except OSError as error:
            if port is None and error.errno == errno.EADDRINUSE:
                continue
            taken = error.errno == errno.EADDRINUSE
            reason = "the port is taken" if taken else error.strerror or str(error)
            raise PortTaken(host=host, port=candidate, reason=reason) from error
    raise PortTaken(host=host, port=first, reason=f"this port and the {_TRIES - 1} after it are taken")


def reachable_address(listener: socket.socket) -> tuple[str, int]:
    """Return where a client on this machine reaches a listener: loopback where it listens on all addresses."""
    host, port = listener.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:
        host = "::1" if listener.family == socket.AF_INET6 else "127.0.0.1"
    return host, port


def url_of(listener: socket.socket) -> str:
    """Return the URL under which a browser on this machine reaches a listener."""
    host, port = reachable_address(listener)
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        # Without it a port stays taken for a minute after the last demo. Two processes may both bind it; only one can listen.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except BaseException:
        listener.close()
        raise
    return listener
