"""A runtime as the lifespan of an ASGI application, around the one that the application has already."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Literal, TypeAlias

from roost.asgi._signals import end_process, heard_first, is_drained_by_sigterm, is_worker
from roost.asgi._standing import Standing, standing_of
from roost.errors import RuntimeBusy, RuntimeStopFailed
from roost.runtime import Runtime, RuntimeStopStarted

Lifespan: TypeAlias = Callable[[Any], AbstractAsyncContextManager[Mapping[str, Any]]]
OwnLifespan: TypeAlias = Callable[[Any], AbstractAsyncContextManager[Mapping[str, Any] | None]]
CrashPolicy: TypeAlias = Literal["exit", "unready"]

_log = logging.getLogger("roost.asgi")


def lifespan(
    runtime: Runtime,
    *,
    wrap: OwnLifespan | None = None,
    background: bool = False,
    on_crash: CrashPolicy = "exit",
) -> Lifespan:
    """Return what Starlette and FastAPI take as ``lifespan=``, and Litestar in a list: it starts a runtime with the application.

    The runtime is stopped after the application. Requests of Starlette and FastAPI find it as ``request.state.runtime``. What the start
    raises goes to the server, which then doesn't serve; what the stop raises, or a crash, goes to the server at the end.

    Args:
        runtime: What to start. One that is started already is used as it is, and stopped with the application.
        wrap: The application's own lifespan. It is entered when the runtime is started and left before the runtime is stopped, whichever
            of the two raises; the mapping that it yields, if any, is part of the state.
        background: Whether the server serves at once, while the runtime starts and migrates. `Gate` keeps requests away that would come
            too early, `Probes` says how far it is, and `wrap` is entered at once: let it await ``runtime.ready(…)`` for what it needs.
        on_crash: What to do when a service's crash stops the runtime, or a start in the background fails. ``"exit"`` sends SIGTERM to
            the process, so that the server ends what it has begun and then itself, to be started anew by whoever supervises it. A worker
            process whose server leaves SIGTERM alone ends at once when the runtime is stopped. Where neither is so, a crash cancels the
            task that is inside of this lifespan. ``"unready"`` goes on serving, with `Probes` and `Gate` answering 503.

    Returns:
        A function that takes the application and returns an async context manager.

    Raises:
        ValueError: There is no such policy.
    """
    if on_crash not in ("exit", "unready"):
        raise ValueError(f"on_crash is 'exit' or 'unready', not {on_crash!r}")
    standing = standing_of(runtime)

    @asynccontextmanager
    async def live(app: object) -> AsyncIterator[Mapping[str, Any]]:
        async with AsyncExitStack() as stack:
            standing.begin()
            stack.enter_context(heard_first(standing.ask_to_stop))
            if on_crash == "exit" and not background and not is_drained_by_sigterm() and not is_worker():
                await stack.enter_async_context(runtime)
            else:
                await stack.enter_async_context(_served(runtime, standing, background=background, on_crash=on_crash))
            state = None if wrap is None else await stack.enter_async_context(wrap(app))
            stack.callback(standing.ask_to_stop)
            yield {**(state or {}), "runtime": runtime}

    return live


@asynccontextmanager
async def _served(runtime: Runtime, standing: Standing, *, background: bool, on_crash: CrashPolicy) -> AsyncIterator[None]:
    """Keep a runtime alive inside the block, whose task is left alone by a crash: the server still has work that needs it.

    An error of the block's own stays the one that is raised, with a note of what went wrong beside it.
    """
    life = _Life(runtime, standing, on_crash)
    if not background:
        await runtime.start()
    living = asyncio.create_task(life.live(starts=background), name="roost lifespan")
    unsubscribe = runtime.events.subscribe(life.crashed, RuntimeStopStarted)
    try:
        yield
    except BaseException as error:
        failure = await life.leave(living)
        if failure is not None:
            error.add_note(f"meanwhile: {failure}")
        raise
    finally:
        unsubscribe()
    failure = await life.leave(living)
    if failure is not None:
        raise failure


class _Life:
    """One life of a runtime under a server, and what is done when it fails."""

    def __init__(self, runtime: Runtime, standing: Standing, on_crash: CrashPolicy) -> None:
        self._runtime = runtime
        self._standing = standing
        self._exits = on_crash == "exit"
        self._is_left = False

    async def live(self, *, starts: bool) -> Exception | None:
        """Start if need be, wait for the end, and return what it ended with.

        It is returned and not raised: nobody may ask for it before the server's end.
        """
        try:
            if starts:
                await self._runtime.start()
        except Exception as error:  # noqa: BLE001 -- it is logged now, and raised by who leaves the lifespan
            if self._is_left and isinstance(error, RuntimeBusy):
                return None
            _log.error("the start in the background failed: %s", error, exc_info=error)
            self._standing.failure = error
            self._end(is_stopped=True)
            return error
        try:
            await self._runtime.wait()
        except Exception as error:  # noqa: BLE001 -- as above; a crash was logged when it came
            self._end(is_stopped=True)
            return error
        return None

    def crashed(self, event: RuntimeStopStarted) -> None:
        """Take a crash of a started runtime when it comes: the server ends what it has begun while services stop."""
        if event.cause is not None and self._standing.is_started:
            self._end(is_stopped=False)

    async def leave(self, living: asyncio.Task[Exception | None]) -> Exception | None:
        """Stop, and return what the life ended with."""
        self._is_left = True
        with contextlib.suppress(RuntimeStopFailed):  # the life ends with it
            await self._runtime.stop()
        return await living

    def _end(self, *, is_stopped: bool) -> None:
        """Let the process end, unless it is to go on, or ends already."""
        if not self._exits:
            return
        self._standing.is_live = False
        if self._standing.stopping.is_set() or self._is_left:
            return
        if is_drained_by_sigterm() or (is_stopped and is_worker()):
            end_process()
