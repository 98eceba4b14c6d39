"""A PostgreSQL server that tests may break: it can be stopped at once and started again, listens on TCP, and may ask for a password."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import asyncpg

from roost.postgres._server_account import choose_account
from roost.postgres._server_binaries import find_binaries
from roost.postgres._server_copy import readable_binaries
from tests.plugins.build import BOUND
from tests.plugins.ports import free_port

SUPERUSER = "owner"
POLL_SECONDS = 0.01
FAST = {"fsync": "off", "full_page_writes": "off"}
"""The machine does not crash, only the server: what it has committed must be there afterwards, so `synchronous_commit` stays on."""


class OwnServer:
    """A server on loopback and on a Unix socket, for one test or a few.

    Args:
        password: What it asks for on TCP; None trusts everybody there.
        settings: Settings of the server.
        within: A command in front of the server's own, such as one that enters a network.
        address: Where it listens.
    """

    def __init__(
        self,
        *,
        password: str | None = None,
        settings: Mapping[str, str] | None = None,
        within: Sequence[str] = (),
        address: str = "127.0.0.1",
    ) -> None:
        self._password = password
        self._settings = {**FAST, **(settings or {})}
        self._within = tuple(within)
        self._address = address
        self._directory = Path()
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._has_started = False

    @property
    def url(self) -> str:
        """The URL of the database ``postgres`` over TCP."""
        password = "" if self._password is None else f":{quote(self._password, safe='')}"
        return f"postgresql://{SUPERUSER}{password}@{self._address}:{self._port}/postgres"

    @property
    def socket_url(self) -> str:
        """The same by its Unix socket, where it asks for nothing."""
        return f"postgresql://{SUPERUSER}@/postgres?host={quote(str(self._directory), safe='/')}&port={self._port}"

    @property
    def log(self) -> str:
        """What the server has logged."""
        return (self._directory / "log").read_text("utf-8", "replace")

    async def __aenter__(self) -> Self:
        try:
            await asyncio.to_thread(self._make)
            await self.start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        await asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True)

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        async with asyncio.timeout(BOUND):
            self._process = await asyncio.to_thread(self._launch)
            while not await self._answers():
                if self._process.poll() is not None:
                    # Somebody else was quicker to take its port. One that clients know stays what it is, and comes free again.
                    assert "Address already in use" in self.log, self.log
                    if not self._has_started:
                        self._port = await asyncio.to_thread(free_port, self._address)
                    self._process = await asyncio.to_thread(self._launch)
                await asyncio.sleep(POLL_SECONDS)
        self._has_started = True

    async def stop(self, *, at_once: bool = False) -> None:
        """Stop it.

        Args:
            at_once: Don't even tell the clients; it recovers on its next start.
        """
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                # What enters a network may be in front of it, and pass no signal on.
                os.kill(self._postmaster() or process.pid, signal.SIGQUIT if at_once else signal.SIGINT)
            await asyncio.to_thread(process.wait)

    async def restart(self) -> None:
        """Stop it at once and start it again."""
        await self.stop(at_once=True)
        await self.start()

    def _make(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="roost-own-server-", dir="/var/tmp"))
        self._account = choose_account(self._directory / "data")
        self._account.own(self._directory)
        self._binaries = readable_binaries(find_binaries(), self._account)
        self._port = free_port(self._address)
        command = [f"--pgdata={self._directory / 'data'}", f"--username={SUPERUSER}", "--auth=trust", "--encoding=UTF8", "--no-sync"]
        if self._password is not None:
            secret = self._directory / "password"
            secret.write_text(self._password, "utf-8")
            secret.chmod(0o644)
            command.append(f"--pwfile={secret}")
        subprocess.run(
            [str(self._binaries.directory / "initdb"), *command, "--locale=C"], check=True, stdout=subprocess.DEVNULL, **self._arguments
        )
        method = "trust" if self._password is None else "scram-sha-256"
        (self._directory / "data" / "pg_hba.conf").write_text(f"local all all trust\nhost all all all {method}\n")

    @property
    def _arguments(self) -> dict[str, Any]:
        return {"cwd": self._directory, "stdin": subprocess.DEVNULL, **self._account.popen_arguments}

    def _launch(self) -> subprocess.Popen[bytes]:
        own = {
            **self._settings,
            "listen_addresses": self._address,
            "port": str(self._port),
            "unix_socket_directories": str(self._directory),
            "logging_collector": "off",
        }
        command = [str(self._binaries.directory / "postgres"), "-D", str(self._directory / "data")]
        command += [part for name, value in own.items() for part in ("-c", f"{name}={value}")]
        arguments = self._arguments
        if self._within:
            # Who enters a network must be root; it then becomes the server's user.
            arguments = {"cwd": self._directory, "stdin": subprocess.DEVNULL}
            command = [
                *self._within,
                "setpriv",
                f"--reuid={self._account.uid}",
                f"--regid={self._account.gid}",
                "--clear-groups",
                *command,
            ]
        with (self._directory / "log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, **arguments)

    def _postmaster(self) -> int | None:
        with contextlib.suppress(OSError, ValueError, IndexError):
            return int((self._directory / "data" / "postmaster.pid").read_text().splitlines()[0])
        return None

    async def _answers(self) -> bool:
        try:
            connection = await asyncpg.connect(self.socket_url)
            await connection.execute("SELECT 1")
            await connection.close()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            return False
        return True
