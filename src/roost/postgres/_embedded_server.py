"""One process' share in a server that several may use: the first starts it, the last stops it. Blocking."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from roost.errors import EmbeddedDataUnusable, EmbeddedServerFailed
from roost.postgres import _server_process as process
from roost.postgres._server_binaries import ServerBinaries, find_binaries
from roost.postgres._server_copy import readable_binaries
from roost.postgres._server_locks import POLL_SECONDS, SERVER, STARTING, USERS, WATCHDOG, FileLock
from roost.postgres._server_place import ServerPlace, open_place
from roost.postgres._server_watchdog import stop_server

START_SECONDS = 60.0
STOP_SECONDS = 10.0
"""How long a fast shutdown may take before the server is stopped at once, to recover on its next start."""


class SharedServer:
    """A server on a data directory, shared by all processes that name the directory.

    Args:
        data_dir: The directory, as an absolute path.
        settings: Settings of the server; they count for the one that starts it.
        superuser: The role that owns a new cluster.
    """

    def __init__(self, data_dir: Path, settings: Mapping[str, str], *, superuser: str) -> None:
        self.data_dir = data_dir
        self.settings = dict(settings)
        self.superuser = superuser
        self.place: ServerPlace | None = None
        self.binaries: ServerBinaries | None = None
        self._users: FileLock | None = None
        self._one_at_a_time = threading.Lock()

    def start(self) -> None:
        """Become a user of the server, which is started if it doesn't run. A second call does nothing.

        Raises:
            DatabaseError: There is no server, no room for its data, or it failed.
        """
        with self._one_at_a_time:
            if self._users is not None:
                return
            self.place = place = open_place(self.data_dir)
            users = FileLock(place.data_dir / USERS)
            deadline = time.monotonic() + START_SECONDS
            with contextlib.ExitStack() as stack:
                stack.callback(users.close)
                try:
                    users.take(shared=True, deadline=deadline)
                    stack.callback(self._leave, place, users)
                    self.binaries = readable_binaries(find_binaries(major=place.major), place.account)
                    self._ensure_server(place, self.binaries, deadline)
                except OSError as error:
                    raise EmbeddedDataUnusable(data_dir=str(place.data_dir), reason=str(error)) from error
                stack.pop_all()
            self._users = users

    def stop(self) -> None:
        """Stop being a user; the last one stops the server. A second call does nothing.

        Raises:
            EmbeddedServerFailed: The server did not stop.
        """
        with self._one_at_a_time:
            if self._users is None or self.place is None:
                return
            users, self._users = self._users, None
            self._leave(self.place, users)

    def _leave(self, place: ServerPlace, users: FileLock) -> None:
        try:
            # Whoever gets the lock for itself alone is the last user, and nobody comes in while it is held.
            if not users.try_take():
                return
            server = FileLock(place.data_dir / SERVER)
            try:
                if not stop_server(str(place.cluster), server.open(), quick_seconds=STOP_SECONDS):
                    raise EmbeddedServerFailed(reason="it did not stop", log_tail=process.log_tail(place))
            finally:
                server.close()
        finally:
            users.release()

    def _ensure_server(self, place: ServerPlace, binaries: ServerBinaries, deadline: float) -> None:
        starting, server = FileLock(place.data_dir / STARTING), FileLock(place.data_dir / SERVER)
        try:
            starting.take(deadline=deadline)
            self._ensure_watchdog(place)
            while not server.try_take():
                if process.is_ready(place):
                    return
                # Its processes are on their way out, or its starter was killed while it came up.
                if time.monotonic() > deadline:
                    raise EmbeddedServerFailed(reason="a server lives there and does not answer", log_tail=process.log_tail(place))
                time.sleep(POLL_SECONDS)
            if place.major is None:
                durable = self.settings.get("fsync") != "off"
                process.make_cluster(place, binaries, server=server, superuser=self.superuser, durable=durable)
            elif place.major != binaries.major:
                reason = f"another process just filled it with data of PostgreSQL {place.major}, and this one has {binaries.major}"
                raise EmbeddedDataUnusable(data_dir=str(place.data_dir), reason=reason)
            postmaster = process.launch(place, binaries, server=server, settings=self.settings)
            process.wait_until_ready(place, postmaster, deadline=deadline)
        finally:
            server.close()
            starting.release()

    def _ensure_watchdog(self, place: ServerPlace) -> None:
        users, server, watchdog = (FileLock(place.data_dir / name) for name in (USERS, SERVER, WATCHDOG))
        try:
            if watchdog.try_take():
                process.launch_watchdog(place, users=users, server=server, watchdog=watchdog)
        finally:
            for lock in (users, server, watchdog):
                lock.close()
