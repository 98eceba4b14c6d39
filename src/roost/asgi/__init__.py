"""The floor that ties a runtime to a web application, without importing any web framework."""

from __future__ import annotations

from roost.asgi._lifespan import lifespan

__all__ = ["lifespan"]
