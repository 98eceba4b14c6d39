"""Reads what a client sent; what is wrong with it becomes an answer of the 400s that says so."""

from __future__ import annotations

import json
import math
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

LONGEST_TEXT = 10_000
LONGEST_WAIT = 30.0
LARGEST_ID = 2**63 - 1


async def json_object(request: Request) -> dict[str, Any]:
    """Return the request's body, a JSON object.

    Raises:
        HTTPException: 400, it is something else.
    """
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"the body is no JSON: {error}") from error
    if not isinstance(body, dict):
        raise HTTPException(400, 'the body is no JSON object, such as {"body": "…"}')
    return body


def text_in(body: dict[str, Any], name: str, *, default: str | None = None) -> str:
    """Return a text of the body.

    Raises:
        HTTPException: 400, it is missing, empty, too long or no text.
    """
    value = body.get(name, default)
    if not isinstance(value, str) or not value.strip():
        raise HTTPException(400, f"{name!r} is missing; it is a text that isn't empty")
    return storable(value, name)


def storable(text: str, name: str) -> str:
    """Return a text that PostgreSQL can store.

    Raises:
        HTTPException: 400, it can't.
    """
    if len(text) > LONGEST_TEXT:
        raise HTTPException(400, f"{name!r} is longer than {LONGEST_TEXT} characters")
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise HTTPException(400, f"{name!r} holds a character that can't be stored")
    return text


def id_of(request: Request) -> int:
    """Return the id in the path.

    Raises:
        HTTPException: 404, no id is that large.
    """
    number: int = request.path_params["id"]
    if number > LARGEST_ID:
        raise HTTPException(404, f"there is nothing with the id {number}")
    return number


def wait_of(request: Request) -> float:
    """Return the seconds that the client is ready to wait: ``?wait=10``, 30 at most.

    Raises:
        HTTPException: 400, it is no number of seconds.
    """
    text = request.query_params.get("wait", "0")
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= LONGEST_WAIT:
        raise HTTPException(400, f"'wait' is a number of seconds from 0 to {LONGEST_WAIT:g}")
    return seconds
