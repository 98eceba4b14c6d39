"""The floor that ties a runtime to a web application, without importing any web framework."""

from __future__ import annotations

from roost.asgi._gate import Gate
from roost.asgi._lifespan import lifespan
from roost.asgi._probes import Probes
from roost.asgi._refusal import service_not_ready
from roost.asgi._service import service
from roost.asgi._standing import stopping

__all__ = ["Gate", "Probes", "lifespan", "service", "service_not_ready", "stopping"]
