"""Awaits a step's function in either of its forms."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from roost.migrations._step import takes_context

if TYPE_CHECKING:
    from roost.migrations._context import MigrationContext


async def call_step(function: Any, context: MigrationContext) -> None:  # noqa: ANN401 -- either form of a step's function
    """Await a step's function, with the context if it takes one.

    Raises:
        TypeError: It is not async.
        Exception: As the function raises it.
    """
    result = function(context) if takes_context(function) else function()
    if not inspect.isawaitable(result):
        name = getattr(function, "__qualname__", repr(function))
        message = f"{name} is not async: a step's function is `async def`, so that it runs inside the step's transaction"
        raise TypeError(message)
    await result
