from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from roost.cli import _listening as listening
from roost.cli._listening import listening_socket, reachable_address, url_of
from roost.errors import PortTaken


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with listening_socket("127.0.0.1", 0) as busy:
        yield busy.getsockname()[1]


def test_given_port_that_is_taken_is_refused(taken: int) -> None:
    """A port that was asked for and is taken is an error that names it."""
    with pytest.raises(PortTaken) as caught:
        listening_socket("127.0.0.1", taken)
    assert caught.value.message == f"Can't serve on 127.0.0.1:{taken}: the port is taken"


def test_next_free_port_is_taken_by_default(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a port, a taken default leads to a later port."""
    monkeypatch.setattr(listening, "DEFAULT_PORT", taken)
    with listening_socket("127.0.0.1", None) as listener:
        assert taken < listener.getsockname()[1] <= taken + 99


def test_no_free_port_is_an_error(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all the ports tried are taken, that is said."""
    monkeypatch.setattr(listening, "DEFAULT_PORT", taken)
    monkeypatch.setattr(listening, "_TRIES", 1)
    with pytest.raises(PortTaken, match="are taken"):
        listening_socket("127.0.0.1", None)


def test_foreign_address_is_an_error() -> None:
    """An address that is not this machine's is refused at once, not tried on other ports."""
    with pytest.raises(PortTaken) as caught:
        listening_socket("192.0.2.1", None)
    assert caught.value.port == listening.DEFAULT_PORT


def test_all_addresses_are_reached_by_loopback() -> None:
    """A listener on all addresses is told as the loopback address."""
    with listening_socket("0.0.0.0", 0) as listener:  # noqa: S104 -- that address is what is tested
        port = listener.getsockname()[1]
        assert reachable_address(listener) == ("127.0.0.1", port)
        assert url_of(listener) == f"http://127.0.0.1:{port}/"


def test_ipv6_address_is_bracketed() -> None:
    """An IPv6 address stands in brackets in a URL."""
    try:
        listener = listening_socket("::1", 0)
    except PortTaken:
        with socket.socket(socket.AF_INET) as listener:
            return  # this machine has no IPv6
    with listener:
        assert url_of(listener) == f"http://[::1]:{listener.getsockname()[1]}/"
