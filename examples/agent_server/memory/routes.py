"""What `memory` answers over HTTP."""

from __future__ import annotations

import re

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from examples.agent_server.memory.service import Memory
from examples.agent_server.payload import id_of, json_object, storable, text_in

_KIND = re.compile(r"[a-z]{1,40}")


async def remember(request: Request) -> JSONResponse:
    """``POST /memories {"body": …, "kind": …}``."""
    body = await json_object(request)
    kind = text_in(body, "kind", default="note")
    if not _KIND.fullmatch(kind):
        raise HTTPException(400, "'kind' is a word of small letters, such as fact")
    memory: Memory = request.state.runtime.get_service(Memory)
    record = await memory.remember(text_in(body, "body"), kind=kind)
    return JSONResponse(record.as_json(), status_code=201)


async def find(request: Request) -> JSONResponse:
    """``GET /memories?q=…``: the memories with these words; without a query the latest."""
    memory: Memory = request.state.runtime.get_service(Memory)
    records = await memory.find(storable(request.query_params.get("q", ""), "q"))
    return JSONResponse({"memories": [record.as_json() for record in records]})


async def get(request: Request) -> JSONResponse:
    """``GET /memories/{id}``."""
    memory: Memory = request.state.runtime.get_service(Memory)
    record = await memory.get(id_of(request))
    if record is None:
        raise HTTPException(404, f"there is no memory {request.path_params['id']}")
    return JSONResponse(record.as_json())


routes = [
    Route("/memories", remember, methods=["POST"]),
    Route("/memories", find, methods=["GET"]),
    Route("/memories/{id:int}", get, methods=["GET"]),
]
