"""Stops an embedded server once nobody uses it: a program of its own, started by path, that needs the standard library only.

It waits in the kernel for the users' lock. The kernel drops a process' lock however the process ends, so that the wait
ends with the last user, killed or not. All locks arrive open, which is why it needs no access to their files.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
import time
from pathlib import Path

QUICK_SECONDS = 0.5
"""How long a fast shutdown may take; afterwards the server stops at once and recovers on its next start."""
KILL_SECONDS = 8.0
GIVE_UP_SECONDS = 30.0


def postmaster_of(cluster: str) -> int | None:
    """Return the process id of the cluster's living postmaster.

    Args:
        cluster: The cluster's directory.

    Returns:
        Its id; None where the file names none, or where a stranger has the id by now.
    """
    try:
        pid = int(Path(cluster, "postmaster.pid").read_bytes().split(b"\n", 1)[0])
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    if not Path("/proc/self/cwd").exists():
        return pid  # macOS
    try:
        # A postmaster works in its cluster; a stranger that was given a dead one's id does not.
        return pid if Path(f"/proc/{pid}/cwd").samefile(cluster) else None
    except OSError:
        return None


def is_held(lock: int) -> bool:
    """Tell whether somebody else holds the lock that is open at `lock`; if not, it is held from now on."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def stop_server(cluster: str, server: int, *, quick_seconds: float) -> bool:
    """Stop whatever server runs on the cluster.

    Args:
        cluster: The cluster's directory.
        server: The server's lock, open; it is held afterwards.
        quick_seconds: How long a fast shutdown may take.

    Returns:
        Whether no process of a server is left.
    """
    begun = time.monotonic()
    wanted = signal.SIGINT
    done: tuple[int, signal.Signals] | None = None
    while is_held(server):
        passed = time.monotonic() - begun
        if passed > quick_seconds + GIVE_UP_SECONDS:
            return False
        if passed > quick_seconds + KILL_SECONDS:
            wanted = signal.SIGKILL
        elif passed > quick_seconds:
            wanted = signal.SIGQUIT
        pid = postmaster_of(cluster)
        if pid is not None and (pid, wanted) != done:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, wanted)
            done = (pid, wanted)
        time.sleep(0.005)
    return True


def main(arguments: list[str]) -> None:
    """Wait for the last user to leave, stop the server and end.

    Args:
        arguments: The descriptors of the locks of users, server and watchdog, and the cluster's directory.
    """
    users, server, watchdog = (int(one) for one in arguments[:3])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    fcntl.flock(users, fcntl.LOCK_EX)
    stop_server(arguments[3], server, quick_seconds=QUICK_SECONDS)
    # This order matters: whoever gets the users' lock next must find the watchdog's lock free, or it would start none.
    os.close(server)
    fcntl.flock(watchdog, fcntl.LOCK_UN)
    fcntl.flock(users, fcntl.LOCK_UN)


if __name__ == "__main__":
    main(sys.argv[1:])
