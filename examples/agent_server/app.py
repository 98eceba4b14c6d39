"""The application: a runtime with three plugins, and the Starlette app that lives and dies with it."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from examples.agent_server import inbox, jobs, memory
from roost import DatabaseMigrationService, Runtime
from roost.asgi import lifespan

runtime = Runtime(plugins=[memory.plugin, inbox.plugin, jobs.plugin], services=[DatabaseMigrationService])


async def index(_request: Request) -> JSONResponse:
    """``GET /``: what this server does, and how it stands."""
    return JSONResponse(
        {
            "plugins": {plugin.name: {"version": plugin.version, "description": plugin.description} for plugin in runtime.plugins},
            "services": {status.name: status.state for status in runtime.status()},
            "requests": [
                "GET /demo",
                'POST /tasks {"prompt": "…"}',
                "GET /tasks/{id}?wait=10",
                "GET /tasks?wait=10",
                'POST /memories {"body": "…", "kind": "fact"}',
                "GET /memories?q=words",
                "GET /memories/{id}",
                'POST /inbox {"sender": "…", "body": "…"}',
                "GET /inbox",
            ],
        }
    )


async def refusal(_request: Request, error: Exception) -> JSONResponse:
    """Say in JSON what is wrong with a request."""
    if not isinstance(error, HTTPException):
        raise error
    return JSONResponse({"error": error.detail}, status_code=error.status_code, headers=error.headers)


app = Starlette(
    routes=[Route("/", index), *memory.routes, *inbox.routes, *jobs.routes],
    lifespan=lifespan(runtime),
    exception_handlers={HTTPException: refusal},
)
