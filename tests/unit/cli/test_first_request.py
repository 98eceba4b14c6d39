from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from roost.cli._first_request import Request, parse_request, send_request
from roost.errors import BadProject, DemoRequestFailed


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(int(self.path.strip("/").split("?")[0]))
        self.end_headers()
        self.wfile.write(b"x" * 600 if "long" in self.path else b"hello")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    """A server that answers /N with status N."""
    with HTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_request_is_read() -> None:
    """A method and a path make a request, and it is written as it was read."""
    assert parse_request("get /a?b=c") == Request("GET", "/a?b=c")
    assert str(Request("GET", "/")) == "GET /"


@pytest.mark.parametrize("text", ["", "GET", "/", "GET x", "GET / HTTP/1.1", "GET /\r\nHost: x", "G3T /"])
def test_other_words_are_refused(text: str) -> None:
    """What is not a method and a path is refused, a smuggled header too."""
    with pytest.raises(BadProject, match="demo_request is not of the form"):
        parse_request(text)


def test_answer_is_returned(port: int) -> None:
    """An answer of the 200s comes back with its body."""
    answer = send_request(Request("GET", "/201"), host="127.0.0.1", port=port)
    assert (answer.status, answer.body) == (201, "hello")


def test_long_body_is_cut(port: int) -> None:
    """A long body is cut, and shows that it is."""
    assert send_request(Request("GET", "/200?long"), host="127.0.0.1", port=port).body == "x" * 500 + "…"


@pytest.mark.parametrize("status", [302, 404, 503])
def test_other_status_is_a_failure(port: int, status: int) -> None:
    """An answer outside the 200s fails with the status and the body."""
    with pytest.raises(DemoRequestFailed, match=f"the answer was {status}: hello"):
        send_request(Request("GET", f"/{status}"), host="127.0.0.1", port=port)


def test_nobody_there_is_a_failure(port: int) -> None:
    """A refused connection is a failure with its reason."""
    with pytest.raises(DemoRequestFailed, match="refused"):
        send_request(Request("GET", "/200"), host="127.0.0.2", port=port)
