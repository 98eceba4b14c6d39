"""Which runtime serves the present request."""

from __future__ import annotations

from contextvars import ContextVar

from roost.runtime import Runtime

present_runtime: ContextVar[Runtime | None] = ContextVar("present_runtime", default=None)
"""Set for each request by what stands in its way, and never reset: a request has a task, and so a context, of its own."""
