"""Many processes at one instant, some of them killed, terminated or stopped; and signals at each await of one."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import multiprocessing
import os
import random
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import asyncpg

from roost import MigrationContext, MigrationOrchestrator, MigrationStep
from roost.migrations import LockWaitStarted
from roost.testing import Stepper
from tests.crash import reference_plan as plan
from tests.crash.cases import Baseline, Case, Place
from tests.plugins.build import make_plugin, make_runtime, migrate, query

FATES = {"none": 12, "SIGKILL": 3, "SIGTERM": 2, "SIGINT": 1, "paused": 2}
"""What becomes of a process, and how likely that is beside the others."""

FROZEN_SECONDS = 1.0
"""A frozen process is left alone for so long before an operator ends its session."""

END_SECONDS = 120.0
NOTICED_SECONDS = 15.0
"""Waiters ask again after half a second at most; their own time-out is twice as long as this."""

HELD = "CREATE TABLE held (id int)"

AT_THE_BELL = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND state = 'idle' AND query LIKE '%pg_try_advisory_lock(%'
"""
SIGNALS = ("SIGINT", "SIGTERM")


def process_rounds(base: Baseline, *, rounds: int, processes: int) -> list[Case]:
    """Return so many rounds of so many processes at once."""
    return [
        Case(
            kind=f"{base.line}processes",
            name=f"{base.line}{processes} processes, round {seed}",
            attempt=partial(_round, base, seed, processes),
        )
        for seed in range(1, rounds + 1)
    ]


def signals(base: Baseline) -> list[Case]:
    """Return each signal at each await of a process."""
    return [
        Case(
            kind=f"{base.line}signals",
            name=f"{base.line}{name} at await {number}",
            attempt=partial(_signalled, base, name, number),
        )
        for number in range(1, base.suspensions + 1)
        for name in SIGNALS
    ]


def killed_holders() -> list[Case]:
    """Return a holder of the lock that is killed in a step while so many wait: it rings no bell."""
    return [
        Case(kind="killed holders", name=f"a holder killed before {number} waiters", attempt=partial(_killed_holder, number))
        for number in (1, 4, 16)
    ]


def _server() -> ForkServerContext:
    # Children are forked from a process that has imported everything and started nothing: 64 at once are cheap then.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.crash.reference_plan", "asyncpg", "roost.testing"])
    return context


@contextlib.contextmanager
def _gate(path: Path) -> Iterator[None]:
    """Keep everybody who waits at a gate until the end of the block.

    It is a lock of the kernel's, which frees it whoever is killed: an Event of multiprocessing keeps the others for ever when one of them
    dies while it waits.
    """
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _wait_at(gate: str) -> None:
    with Path(gate).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)


def _run(place: Place, gate: str, log: str) -> None:
    """Migrate in a process of its own, and write into the log what went wrong."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        _wait_at(gate)
        asyncio.run(plan.migrate_whole(place.url, look_at=place.direct))
    except KeyboardInterrupt:
        sys.exit(130)
    except BaseException as error:
        Path(log).write_text(f"{type(error).__name__}: {error}")
        raise


def _run_and_signal(place: Place, name: str, number: int) -> None:
    """Migrate, and send oneself a signal at an await."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    stepped = Stepper(plan.migrate(place.url), at=number, act=partial(signal.raise_signal, signal.Signals[name]))

    async def run() -> None:
        await stepped

    sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 -- the process ends by itself; its interruption is no news
    asyncio.run(run())


def _hold(url: str) -> None:
    """Hold the lock, in a step that never ends."""

    async def held(ctx: MigrationContext) -> None:
        await ctx.execute(HELD)
        await asyncio.Event().wait()

    asyncio.run(migrate(url, make_plugin("held", MigrationStep("held", "Held", up=held, version="1.0.0"))))


async def _killed_holder(number: int, place: Place) -> str:
    holder = _server().Process(target=_hold, args=(place.url,))
    holder.start()
    try:
        while await query(
            place.direct,
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'roost held: held' AND datname = current_database()",
        ) == [0]:
            assert holder.is_alive(), "the holder ended"
        plugin = make_plugin("held", MigrationStep("held", "Held", up=HELD, version="1.0.0"))
        waiting = asyncio.Semaphore(0)
        runtimes = [make_runtime(place.url, plugin, config=plan.CONFIG) for _ in range(number)]
        for runtime in runtimes:
            runtime.events.subscribe(lambda _: waiting.release(), LockWaitStarted)
        runs = [asyncio.create_task(MigrationOrchestrator(runtime).run_all_migrations()) for runtime in runtimes]
        for _ in runs:
            await waiting.acquire()
        # Who was told to wait asks once more before it does: only who is refused then waits for the bell.
        while await query(place.direct, AT_THE_BELL) != [number]:
            assert holder.is_alive(), "the holder ended"
    finally:
        holder.kill()
        await asyncio.to_thread(holder.join)
    _, left = await asyncio.wait(runs, timeout=NOTICED_SECONDS)
    if left:
        for run in left:
            run.cancel()
        await asyncio.wait(left)
        return f"{len(left)} of {number} waiters have not noticed after {NOTICED_SECONDS:g} s"
    ends = await asyncio.gather(*runs, return_exceptions=True)
    found = [f"a waiter raised {type(end).__name__}: {end}" for end in ends if isinstance(end, BaseException)]
    steps = sum(len(end.steps) for end in ends if not isinstance(end, BaseException))
    found += [] if steps == 1 else [f"{steps} steps were reported"]
    found += await plan.left_behind(place.direct)
    return f"{number} waiters: {'; '.join(found) or 'ok'}"


async def _round(base: Baseline, seed: int, processes: int, place: Place) -> str:
    chance = random.Random(f"processes {seed}")
    context = _server()
    with tempfile.TemporaryDirectory() as directory:
        gate = Path(directory) / "gate"
        logs = [Path(directory) / str(number) for number in range(processes)]
        running = [context.Process(target=_run, args=(place, str(gate), str(log))) for log in logs]
        fates = chance.choices(list(FATES), weights=list(FATES.values()), k=processes)
        if seed % 3 == 0:
            fates[chance.randrange(processes)] = "frozen"
        with _gate(gate):
            await asyncio.to_thread(_each, running, "start")
        moments = [chance.uniform(0.0, 0.25) for _ in fates]
        try:
            async with asyncio.timeout(END_SECONDS):
                await asyncio.gather(
                    *[_meet(process, fate, moment, place) for process, fate, moment in zip(running, fates, moments, strict=True)]
                )
            found = []
        except TimeoutError:
            found = [f"{sum(process.is_alive() for process in running)} processes never end"]
        finally:
            for process in running:
                process.kill()
            await asyncio.to_thread(_each, running, "join")
        for number, (process, fate, log) in enumerate(zip(running, fates, logs, strict=True)):
            if fate in {"none", "paused"} and process.exitcode != 0:
                found.append(f"process {number} ({fate}) ended with {process.exitcode}: {log.read_text() if log.exists() else ''}")
    await plan.migrate(place.url)
    found += await plan.violations(place.direct, expected=base.catalogue, is_pooled=place.is_pooled)
    told = ", ".join(f"{fates.count(fate)} {fate}" for fate in sorted(set(fates)))
    return f"{told}: {'; '.join(found) or 'ok'}"


async def _meet(process: ForkServerProcess, fate: str, moment: float, place: Place) -> None:
    """Let a process meet its fate, and wait for its end."""
    assert process.pid is not None
    await asyncio.sleep(moment)
    with contextlib.suppress(ProcessLookupError):
        if fate.startswith("SIG"):
            os.kill(process.pid, signal.Signals[fate])
        elif fate == "paused":
            os.kill(process.pid, signal.SIGSTOP)
            await asyncio.sleep(moment)
            os.kill(process.pid, signal.SIGCONT)
        elif fate == "frozen":
            os.kill(process.pid, signal.SIGSTOP)
            await asyncio.sleep(FROZEN_SECONDS)
            await _end_session_of(process.pid, place)
            process.kill()
    await asyncio.to_thread(process.join)


async def _end_session_of(pid: int, place: Place) -> None:
    """Do what an operator does about a frozen process: end its session on the server, which the ledger knows."""
    connection = await asyncpg.connect(place.direct)
    try:
        if await connection.fetchval("SELECT to_regclass('roost.run')") is not None:
            await connection.execute(f"SELECT pg_terminate_backend(backend_pid) FROM roost.run WHERE open AND pid = {pid}")
    finally:
        await connection.close()


async def _signalled(base: Baseline, name: str, number: int, place: Place) -> str:
    process = _server().Process(target=_run_and_signal, args=(place, name, number))
    process.start()
    await asyncio.to_thread(process.join, END_SECONDS)
    ended = f"exit code {process.exitcode}"
    found = [] if process.exitcode not in {None, 0} else ["it went on"]
    process.kill()
    found += await plan.left_behind(place.direct, is_pooled=place.is_pooled)
    await plan.migrate(place.url)
    found += await plan.violations(place.direct, expected=base.catalogue, is_pooled=place.is_pooled)
    return f"{ended}: {'; '.join(found) or 'ok'}"


def _each(processes: list[ForkServerProcess], method: str) -> None:
    for process in processes:
        call: Callable[[], None] = getattr(process, method)
        call()
