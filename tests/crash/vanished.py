"""A host that vanishes: the client of a run is in a network of its own, whose line is cut so that nobody says goodbye.

It needs root and the commands of iproute2; where they are missing, it is left out with a word.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import asyncpg

from roost import MigrationStep
from tests.crash.cases import Case, Place
from tests.plugins.build import applied, make_plugin, migrate
from tests.plugins.own_server import OwnServer

ROOT = Path(__file__).resolve().parents[2]
FREE_SECONDS = 30.0
HERE, THERE = "10.213.74.1", "10.213.74.2"
MOMENTS = {
    "between two statements": 'await ctx.execute("SELECT 1"); print("held", flush=True); await asyncio.sleep(600)',
    "in a statement": 'print("held", flush=True); await ctx.execute("SELECT pg_sleep(600)")',
    "before an answer": 'print("held", flush=True); await ctx.execute("SELECT pg_sleep(1)"); await asyncio.sleep(600)',
}

PROGRAM = """
import asyncio, sys
from roost import MigrationContext, MigrationStep
from tests.plugins.build import make_plugin, migrate

async def hold(ctx: MigrationContext) -> None:
    await ctx.execute("CREATE TABLE held (id int)")
    {moment}

asyncio.run(migrate(sys.argv[1], make_plugin("p", MigrationStep("hold", "Hold", up=hold, version="1.0.0"))))
"""
_numbers = itertools.count(1)
LOCKS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"


def is_possible() -> bool:
    """Whether networks can be made here."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    name = f"roost-{os.getpid()}-probe"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode == 0
    if made:
        subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
    return made


def vanished() -> list[Case]:
    """Return a host that vanishes at each moment."""
    return [Case(kind="vanished hosts", name=f"vanished {moment}", attempt=partial(_vanished, code)) for moment, code in MOMENTS.items()]


async def _vanished(moment: str, _place: Place) -> str:
    number = next(_numbers)
    network, near = f"roost-{os.getpid()}-{number}", f"rst{os.getpid() % 100000}n{number}"
    await _ip("netns", "add", network)
    try:
        await _ip("link", "add", near, "type", "veth", "peer", "name", "eth0", "netns", network)
        await _ip("address", "add", f"{HERE}/24", "dev", near)
        await _ip("link", "set", near, "up")
        for command in (("address", "add", f"{THERE}/24", "dev", "eth0"), ("link", "set", "eth0", "up"), ("link", "set", "lo", "up")):
            await _ip("-n", network, *command)
        async with OwnServer(address=HERE) as server:
            return await _cut(server, network, near, moment)
    finally:
        await _ip("netns", "delete", network)


async def _cut(server: OwnServer, network: str, near: str, moment: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *("ip", "netns", "exec", network, sys.executable, "-c", PROGRAM.format(moment=moment), server.url),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"held\n"
        await _ip("link", "set", near, "down")
        took = await _until_free(server)
        if took is None:
            return f"the lock is not free after {FREE_SECONDS:g} s"
        report = await migrate(
            server.socket_url, make_plugin("p", MigrationStep("hold", "Hold", up="CREATE TABLE held (id int)", version="1.0.0"))
        )
        done = await applied(server.socket_url)
    finally:
        process.kill()
        await process.wait()
    broken = [] if len(report.steps) == 1 and done == [("p", "hold")] else [f"reported {report.steps}, applied {done}"]
    return f"the lock was free after {took:.1f} s: {'; '.join(broken) or 'ok'}"


async def _until_free(server: OwnServer) -> float | None:
    began = time.monotonic()
    connection = await asyncpg.connect(server.socket_url)
    try:
        while await connection.fetchval(LOCKS):
            if time.monotonic() - began > FREE_SECONDS:
                return None
            await asyncio.sleep(0.05)
    finally:
        await connection.close()
    return time.monotonic() - began


async def _ip(*arguments: str) -> None:
    process = await asyncio.create_subprocess_exec("ip", *arguments, stderr=asyncio.subprocess.PIPE)
    _, errors = await process.communicate()
    if process.returncode != 0:
        raise OSError(f"ip {' '.join(arguments)}: {errors.decode().strip()}")
