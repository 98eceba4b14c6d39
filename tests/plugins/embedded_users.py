"""What the tests of the embedded server share: a program that uses it, and looks at its locks and processes."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg

from roost.postgres import EmbeddedPostgres
from roost.postgres._server_place import open_place
from tests.plugins.build import BOUND

FAST = {"fsync": "off"}
USER_PROGRAM = """
import asyncio, sys
from roost.postgres import EmbeddedPostgres

async def main():
    async with EmbeddedPostgres(sys.argv[1], settings={"fsync": "off"}) as server:
        print(server.url, flush=True)
        await asyncio.to_thread(sys.stdin.readline)

asyncio.run(main())
"""
"""Uses the server on the directory that it's given until its stdin gets a line or ends."""


def url_of(process: subprocess.Popen[str]) -> str:
    """Wait for a user to have its server."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def wait_for_lock(path: Path) -> None:
    """Block in the kernel until nobody holds the lock."""
    with path.open("r+") as file:
        waiter = threading.Thread(target=fcntl.flock, args=(file, fcntl.LOCK_EX), daemon=True)
        waiter.start()
        waiter.join(BOUND)
        assert not waiter.is_alive(), f"{path.name} is still held"


def is_held(path: Path) -> bool:
    """Tell whether somebody holds the lock."""
    with path.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def has_server(data_dir: Path) -> bool:
    """Tell whether a server lives: it holds its lock, and has a file that says who it is.

    The lock alone does not say it: a watchdog that looks once more, before it ends, holds it for a moment.
    """
    return is_held(data_dir / "server.lock") and (open_place(data_dir).home / "cluster" / "postmaster.pid").exists()


def postmaster_of(server: EmbeddedPostgres) -> int:
    """Return the process id of the server's first process."""
    return int((server.data_dir / "cluster" / "postmaster.pid").read_text().splitlines()[0])


def sockets_of(server: EmbeddedPostgres) -> Path:
    """Return the directory of the server's socket."""
    return Path(parse_qs(urlsplit(server.url).query)["host"][0])


def wait_for_end(pid: int) -> None:
    """Wait until there is no such process; one that has ended is there until its parent has asked for its exit status."""
    due = time.monotonic() + BOUND
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        assert time.monotonic() < due, f"process {pid} goes on"


async def ask(url: str, query: str) -> object:
    """Ask a database for one value."""
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def python_of(uid: int) -> str | None:
    """Return a Python that the user can run, with asyncpg and roost; None where there is none."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        try:
            if run_as(uid, [python, "-c", "import asyncpg, roost.postgres"]).returncode == 0:
                return python
        except OSError:
            continue
    return None


def run_as(uid: int, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a program as somebody who can reach no file of root's; it gets one line and then no more."""
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command,
        env=environment,
        input="\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=BOUND,
        cwd="/",
        user=uid,
        group=uid,
        extra_groups=[],
    )


def remove_data_elsewhere(directory: Path) -> None:
    """Remove what root's servers below a directory keep outside of it, because their user can't reach the directory."""
    for pointer in directory.glob("**/data-is-in"):
        shutil.rmtree(pointer.read_text().strip(), ignore_errors=True)
