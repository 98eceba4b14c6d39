"""The one request that ``roost demo --once`` sends to its own application."""

from __future__ import annotations

import http.client
from dataclasses import dataclass

from roost.errors import BadProject, DemoRequestFailed

_TIMEOUT = 30.0
_SHOWN = 500


@dataclass(frozen=True, slots=True)
class Request:
    """A request without a body.

    Attributes:
        method: ``GET`` or another.
        path: The path, with the query.
    """

    method: str
    path: str

    def __str__(self) -> str:
        """Return the request as it is written in ``demo_request``."""
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        status: The status code.
        body: The body as text, cut.
    """

    status: int
    body: str


def parse_request(text: str) -> Request:
    """Read ``demo_request``.

    Raises:
        BadProject: It is not of the form ``GET /path``.
    """
    method, _, path = text.partition(" ")
    if not method.isalpha() or not path.startswith("/") or any(character.isspace() for character in path):
        raise BadProject(path="pyproject.toml", reason=f"demo_request is not of the form 'GET /path': {text!r}")
    return Request(method.upper(), path)


def send_request(request: Request, *, host: str, port: int) -> Answer:
    """Send the request over a connection of its own, past any proxy; it blocks.

    Raises:
        DemoRequestFailed: There was no answer, or not one of the 200s.
    """
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT)
    try:
        connection.request(request.method, request.path, headers={"Connection": "close"})
        response = connection.getresponse()
        body = response.read().decode("utf-8", errors="replace")
    except (OSError, http.client.HTTPException) as error:
        raise DemoRequestFailed(request=str(request), reason=str(error) or type(error).__name__) from error
    finally:
        connection.close()
    answer = Answer(response.status, body if len(body) <= _SHOWN else body[:_SHOWN] + "…")
    if answer.status // 100 != 2:  # noqa: PLR2004 -- the 200s
        raise DemoRequestFailed(request=str(request), reason=f"the answer was {answer.status}: {answer.body}")
    return answer
