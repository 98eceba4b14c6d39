"""The floor that ties a runtime to a web application, without importing any web framework."""

from __future__ import annotations

from roost.asgi._lifespan import lifespan
from roost.asgi._standing import stopping

__all__ = ["lifespan", "stopping"]
