"""What `jobs` answers over HTTP."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from examples.agent_server.jobs.queue import TaskQueue
from examples.agent_server.memory import Memory
from examples.agent_server.payload import id_of, json_object, text_in, wait_of


async def defer(request: Request) -> JSONResponse:
    """``POST /tasks {"prompt": …}``."""
    body = await json_object(request)
    queue: TaskQueue = request.state.runtime.get_service(TaskQueue)
    task = await queue.defer(text_in(body, "prompt"))
    return JSONResponse(task.as_json(), status_code=202, headers={"Location": f"/tasks/{task.id}"})


async def get(request: Request) -> JSONResponse:
    """``GET /tasks/{id}?wait=10``: a task, after its end or the seconds."""
    queue: TaskQueue = request.state.runtime.get_service(TaskQueue)
    task = await queue.get(id_of(request), wait=wait_of(request))
    if task is None:
        raise HTTPException(404, f"there is no task {request.path_params['id']}")
    return JSONResponse(task.as_json())


async def count(request: Request) -> JSONResponse:
    """``GET /tasks?wait=10``: how many tasks there are of each status, after the end of all or the seconds."""
    queue: TaskQueue = request.state.runtime.get_service(TaskQueue)
    return JSONResponse(await queue.counts(wait=wait_of(request)))


async def demo(request: Request) -> JSONResponse:
    """``GET /demo``: a fact for the memory, and a task that needs it, through the queue to its answer."""
    memory: Memory = request.state.runtime.get_service(Memory)
    queue: TaskQueue = request.state.runtime.get_service(TaskQueue)
    await memory.remember("Birds come home to roost in the evening", kind="fact", source="demo")
    deferred = await queue.defer("When do birds roost?")
    task = await queue.get(deferred.id, wait=10.0)
    if task is None or task.answer is None:
        raise HTTPException(503, "no worker answered within ten seconds")
    return JSONResponse(task.as_json())


routes = [
    Route("/tasks", defer, methods=["POST"]),
    Route("/tasks", count, methods=["GET"]),
    Route("/tasks/{id:int}", get, methods=["GET"]),
    Route("/demo", demo, methods=["GET"]),
]
