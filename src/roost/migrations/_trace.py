"""The trace that a run belongs to. Who traces runs says which, so that nothing here knows how that is done."""

from __future__ import annotations

from contextvars import ContextVar

run_trace_id: ContextVar[str | None] = ContextVar("run_trace_id", default=None)
"""The id of the trace, such as 32 hexadecimal digits, that the ledger keeps beside a run's number.

A listener of `RunStarted` sets it: it is called in the run's own context, before the run is opened. One of `RunFinished` takes it back.
"""
