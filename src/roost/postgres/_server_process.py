"""Makes a cluster, starts its server and asks whether it is ready."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from roost.errors import EmbeddedServerFailed
from roost.postgres import _server_watchdog
from roost.postgres._server_binaries import ServerBinaries
from roost.postgres._server_locks import POLL_SECONDS, FileLock
from roost.postgres._server_place import PORT, ServerPlace

LOG_TAIL_BYTES = 2000
BUILTIN_LOCALE_MAJOR = 17
_KEPT_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "TMPDIR")
_STATUS_LINE = 7


def make_cluster(place: ServerPlace, binaries: ServerBinaries, *, server: FileLock, superuser: str, durable: bool) -> None:
    """Make an empty cluster; it appears under its name when it is complete.

    Args:
        place: Where.
        binaries: The programs.
        server: The server's lock, which is held and which ``initdb`` inherits: nobody starts a server before it has ended.
        superuser: The role that owns it.
        durable: Write it to the disk before it is used.

    Raises:
        EmbeddedServerFailed: ``initdb`` failed.
    """
    for stale in place.home.glob("initdb.*"):
        shutil.rmtree(stale)
    if binaries.major >= BUILTIN_LOCALE_MAJOR:
        locales = [["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]]
    else:
        locales = [["--locale=C.UTF-8"], ["--locale=C"]]  # not every system has the first
    told = ""
    for locale in locales:
        draft = Path(tempfile.mkdtemp(prefix="initdb.", dir=place.home))
        place.account.own(draft)
        # Trust is safe only as nobody else gets to the socket: its directory is the server's user's alone.
        command = [str(binaries.directory / "initdb"), f"--pgdata={draft}", f"--username={superuser}", "--auth=trust", "--encoding=UTF8"]
        command += [*locale, *([] if durable else ["--no-sync"])]
        ended = subprocess.run(  # noqa: S603 -- our own command line
            command,
            cwd=draft,
            env=_environment(place),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            pass_fds=(server.open(),),
            start_new_session=True,
            **place.account.popen_arguments,
        )
        if ended.returncode == 0:
            draft.rename(place.cluster)
            return
        told = ended.stdout
        shutil.rmtree(draft)
    raise EmbeddedServerFailed(reason="initdb could not make a cluster", log_tail=told[-LOG_TAIL_BYTES:].strip())


def launch(place: ServerPlace, binaries: ServerBinaries, *, server: FileLock, settings: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start the server on a complete cluster.

    Args:
        place: The directories.
        binaries: The programs.
        server: The server's lock, which is held and which all processes of the server inherit.
        settings: Settings of the server.

    Returns:
        The postmaster; a thread waits for its end, so that it never becomes a zombie.
    """
    # The server's lock is held, so whatever these files say is about a server that is no more.
    (place.cluster / "postmaster.pid").unlink(missing_ok=True)
    for stale in (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
        (place.sockets / stale).unlink(missing_ok=True)
    own = {
        "listen_addresses": "",
        "port": str(PORT),
        "unix_socket_directories": str(place.sockets),
        "unix_socket_permissions": "0700",
        "logging_collector": "off",
        "log_destination": "stderr",
    }
    command = [str(binaries.directory / "postgres"), "-D", str(place.cluster)]
    command += [part for name, value in {**settings, **own}.items() for part in ("-c", f"{name}={value}")]
    log = os.open(place.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        return _reaped(
            subprocess.Popen(  # noqa: S603 -- our own command line; settings are the caller's own
                command,
                cwd=place.cluster,
                env=_environment(place),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(server.open(),),
                start_new_session=True,
                **place.account.popen_arguments,
            )
        )
    finally:
        os.close(log)


def launch_watchdog(place: ServerPlace, *, users: FileLock, server: FileLock, watchdog: FileLock) -> None:
    """Start the program that stops the server when its last user is gone.

    Args:
        place: The directories.
        users: The users' lock, open but not held: the watchdog waits for it.
        server: The server's lock, open but not held.
        watchdog: The watchdog's own lock, held; the program inherits it.

    Raises:
        EmbeddedServerFailed: This Python can't be run a second time.
    """
    descriptors = (users.open(), server.open(), watchdog.open())
    command = [sys.executable, "-I", "-S", _server_watchdog.__file__, *(str(one) for one in descriptors), str(place.cluster)]
    try:
        program = subprocess.Popen(  # noqa: S603 -- this Python with a file of ours
            command,
            cwd="/",
            env=_environment(place),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=descriptors,
            start_new_session=True,
        )
    except OSError as error:
        raise EmbeddedServerFailed(reason=f"its watchdog can't be run: {error}") from error
    _reaped(program)


def is_ready(place: ServerPlace) -> bool:
    """Tell whether the server says that it is ready and answers at its socket."""
    try:
        lines = (place.cluster / "postmaster.pid").read_text().splitlines()
    except (FileNotFoundError, UnicodeDecodeError):
        return False
    if len(lines) <= _STATUS_LINE or lines[_STATUS_LINE].strip() != "ready" or _server_watchdog.postmaster_of(str(place.cluster)) is None:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(place.sockets / f".s.PGSQL.{PORT}"))
        except OSError:
            return False
    return True


def wait_until_ready(place: ServerPlace, postmaster: subprocess.Popen[bytes], *, deadline: float) -> None:
    """Wait for a server that was just launched.

    Args:
        place: The directories.
        postmaster: The server's first process.
        deadline: When to give up, on the clock `time.monotonic`.

    Raises:
        EmbeddedServerFailed: It ended, or was not ready in time; it is not stopped.
    """
    while not is_ready(place):
        if postmaster.poll() is not None:
            raise EmbeddedServerFailed(reason=f"postgres ended with status {postmaster.returncode}", log_tail=log_tail(place))
        if time.monotonic() > deadline:
            raise EmbeddedServerFailed(reason="it was not ready in time", log_tail=log_tail(place))
        time.sleep(POLL_SECONDS)


def log_tail(place: ServerPlace) -> str:
    """Return the last lines of the server's log; empty where there is none."""
    try:
        return place.log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace").strip()
    except OSError:
        return ""


def _environment(place: ServerPlace) -> dict[str, str]:
    # PG* would redirect the server, LC_* and TZ would end up in the cluster's configuration.
    kept = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    return {**kept, "LC_ALL": "C", "TZ": "UTC", "HOME": str(place.home)}


def _reaped(process: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
    threading.Thread(target=process.wait, name=f"wait for {process.pid}", daemon=True).start()
    return process
