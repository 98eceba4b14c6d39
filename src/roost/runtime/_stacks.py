"""Tells where tasks stand."""

from __future__ import annotations

import asyncio
import gc
import inspect
from typing import Any

from roost.runtime._unit import Unit


def stack_of(unit: Unit, waiting: asyncio.Task[Any]) -> str:
    """Return where a unit stands, innermost last, a line each: the task that waits for it, then those that run beside."""
    lines = _await_stack(waiting)
    for task in unit.tasks():
        if not task.done():
            lines += [f"task {task.get_name()!r}:", *_await_stack(task)]
    return "\n".join(lines)


def _await_stack(task: asyncio.Task[Any]) -> list[str]:
    lines: list[str] = []
    waiting: Any = task.get_coro()
    while waiting is not None:
        frame = getattr(waiting, "cr_frame", None) or getattr(waiting, "ag_frame", None) or getattr(waiting, "gi_frame", None)
        if frame is not None:
            lines.append(f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_qualname}")
            waiting = getattr(waiting, "cr_await", None) or getattr(waiting, "ag_await", None) or getattr(waiting, "gi_yieldfrom", None)
        else:
            # One step of an async generator, as contextlib awaits it, does not say of which; the garbage collector knows.
            waiting = next((one for one in gc.get_referents(waiting) if inspect.isasyncgen(one)), None)
    return lines
