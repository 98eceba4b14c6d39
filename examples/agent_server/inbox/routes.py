"""What `inbox` answers over HTTP."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from examples.agent_server.inbox.service import Inbox
from examples.agent_server.payload import json_object, text_in


async def receive(request: Request) -> JSONResponse:
    """``POST /inbox {"sender": …, "body": …}``."""
    body = await json_object(request)
    inbox: Inbox = request.state.runtime.get_service(Inbox)
    message = await inbox.receive(text_in(body, "sender"), text_in(body, "body"))
    return JSONResponse(message.as_json(), status_code=201)


async def latest(request: Request) -> JSONResponse:
    """``GET /inbox``: the latest messages."""
    inbox: Inbox = request.state.runtime.get_service(Inbox)
    return JSONResponse({"messages": [message.as_json() for message in await inbox.latest()]})


routes = [Route("/inbox", receive, methods=["POST"]), Route("/inbox", latest, methods=["GET"])]
