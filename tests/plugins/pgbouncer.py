"""A real PgBouncer in front of a server, in each of its modes, idle or kept busy by other clients."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import asyncpg

from roost.postgres import DatabaseURL, parse_url
from tests.plugins.ports import free_port

PLACES = f"{os.environ['PATH']}{os.pathsep}/usr/sbin"
BUSY_CLIENTS = 3
ATTEMPTS = 10
"""How often a port is chosen, should somebody else take each before it can be used."""


def find_pgbouncer() -> str | None:
    """Return the path of the program, where it is installed."""
    return shutil.which("pgbouncer", path=PLACES)


@contextlib.asynccontextmanager
async def pgbouncer(server_url: str, *, mode: str, pool_size: int = 20) -> AsyncIterator[str]:
    """Run PgBouncer on loopback, and provide the URL of the same database through it.

    Args:
        server_url: The database behind it.
        mode: Its ``pool_mode``: session, transaction or statement.
        pool_size: How many server connections it opens for a database.
    """
    target = parse_url(server_url)
    with tempfile.TemporaryDirectory() as directory:
        process, port = await _start(Path(directory), target, mode=mode, pool_size=pool_size)
        assert process.stderr is not None
        reading = asyncio.create_task(_read_to_the_end(process.stderr))
        try:
            yield f"postgresql://{quote(target.user or '', safe='')}@127.0.0.1:{port}/{quote(target.database or '', safe='')}"
        finally:
            process.kill()  # asked to end, some releases wait for their clients first
            await process.wait()
            await reading


@contextlib.asynccontextmanager
async def busy(url: str) -> AsyncIterator[None]:
    """Keep a pooler's server connections changing hands: clients that each ask a little, again and again."""

    async def ask() -> None:
        connection = await asyncpg.connect(url, statement_cache_size=0)
        try:
            while True:
                await connection.execute("SELECT pg_sleep(0.002)")
        finally:
            connection.terminate()

    clients = [asyncio.create_task(ask()) for _ in range(BUSY_CLIENTS)]
    try:
        yield
    finally:
        for client in clients:
            client.cancel()
        ends = await asyncio.gather(*clients, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ends), ends


async def _start(directory: Path, target: DatabaseURL, *, mode: str, pool_size: int) -> tuple[asyncio.subprocess.Process, int]:
    """Start it on a free port, and on another one where somebody else was quicker."""
    program = find_pgbouncer()
    assert program is not None, "pgbouncer is not installed"
    said = b""
    for _ in range(ATTEMPTS):
        port = free_port()
        config = _write_config(directory, target, port=port, mode=mode, pool_size=pool_size)
        process = await asyncio.create_subprocess_exec(
            program, str(config), stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
        )
        assert process.stderr is not None
        said = b""
        while line := await process.stderr.readline():
            said += line
            if b"process up" in line:
                return process, port
        await process.wait()
        if b"Address already in use" not in said:
            break
    raise AssertionError(f"pgbouncer ended: {said.decode('utf-8', 'replace')}")


async def _read_to_the_end(stream: asyncio.StreamReader) -> None:
    # It logs each connection, and would wait for a reader once the pipe is full.
    while await stream.readline():
        pass


def _write_config(directory: Path, target: DatabaseURL, *, port: int, mode: str, pool_size: int) -> Path:
    host, server_port = target.hosts[0]
    lines = [
        "[databases]",
        f"* = host={host} port={server_port or 5432} user={target.user}",
        "[pgbouncer]",
        "listen_addr = 127.0.0.1",
        f"listen_port = {port}",
        "unix_socket_dir =",
        "auth_type = any",
        f"pool_mode = {mode}",
        f"default_pool_size = {pool_size}",
        "max_client_conn = 300",
    ]
    if os.geteuid() == 0:
        # It does not run as root, and becomes somebody who reaches the server's socket.
        owner = pwd.getpwuid(Path(host).stat().st_uid).pw_name if host.startswith("/") else "nobody"
        lines.append(f"user = {owner}")
    directory.chmod(0o755)
    config = directory / "pgbouncer.ini"
    config.write_text("\n".join(lines) + "\n")
    return config
