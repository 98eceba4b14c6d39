"""What a demo is about to show: found, and refused, before anything is started."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from roost.cli._first_request import Request, parse_request
from roost.cli._project import read_project
from roost.cli._target import load_target
from roost.cli._workplace import named_runtime
from roost.errors import BadTarget, BadUsage

if TYPE_CHECKING:
    from roost.cli._serving import AsgiApp
    from roost.runtime import Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPlan:
    """The parts of a demo.

    Attributes:
        runtime: The runtime, not started.
        app: The ASGI application that starts it; None runs the runtime by itself.
        app_name: The application as ``module:attribute``; empty without one.
        request: What ``--once`` sends.
    """

    runtime: Runtime
    app: AsgiApp | None
    app_name: str
    request: Request


def plan_demo(runtime_name: str | None, *, directory: Path, once: bool) -> DemoPlan:
    """Load what a demo needs.

    Args:
        runtime_name: ``module:attribute``, or None for the project's.
        directory: Where ``pyproject.toml`` is.
        once: Whether a request is to be sent.

    Raises:
        BadProject: ``pyproject.toml`` can't be used.
        BadTarget: A name leads nowhere, or to something else.
        BadUsage: No runtime is named, or a request is to be sent and there is no application.
        Exception: What the modules raise while they are imported.
    """
    project = read_project(directory)
    request = parse_request(project.demo_request)
    if once and project.app is None:
        raise BadUsage(
            reason="--once sends a request, and there is no application to send it to",
            remedy='write app = "myapp:app" under [tool.roost] in pyproject.toml',
        )
    runtime = named_runtime(runtime_name, project=project)
    app: AsgiApp | None = None
    if project.app is not None:
        found = load_target(project.app)
        if not callable(found):
            raise BadTarget(target=project.app, reason=f"it is no ASGI application but {type(found).__name__}")
        app = found
    return DemoPlan(runtime=runtime, app=app, app_name=project.app or "", request=request)
