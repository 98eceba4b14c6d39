"""The file locks that say who uses an embedded server and whether one lives; the kernel drops them with their last holder."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path

from roost.errors import EmbeddedDataUnusable, EmbeddedServerFailed

POLL_SECONDS = 0.005
USERS, STARTING, SERVER, WATCHDOG = "users.lock", "starting.lock", "server.lock", "watchdog.lock"
"""Who uses the server (shared), who starts it, the server itself (inherited by all its processes), and its watchdog."""


@dataclass(slots=True)
class FileLock:
    """A lock on a file of its own; each instance is one holder, also within one process.

    Attributes:
        path: The file; it is made when it's missing and never removed, as its removal would split the lock in two.
        fd: The open file; None when it is closed.
    """

    path: Path
    fd: int | None = None

    def open(self) -> int:
        """Open the file, so that the lock can be taken or a child can inherit it.

        Returns:
            The file's descriptor; a child inherits it only when it is told to.
        """
        if self.fd is None:
            self.fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        return self.fd

    def try_take(self, *, shared: bool = False) -> bool:
        """Take the lock if that is possible at once; a lock held in the other way is given up for it.

        Args:
            shared: Let others hold it too.

        Returns:
            Whether it is held now.

        Raises:
            EmbeddedDataUnusable: The file system has no such locks.
        """
        mode = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(self.open(), mode | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
                reason = f"its file system has no file locks ({error.strerror})"
                raise EmbeddedDataUnusable(data_dir=str(self.path.parent), reason=reason) from error
            raise
        return True

    def take(self, *, shared: bool = False, deadline: float) -> None:
        """Wait for the lock.

        Args:
            shared: Let others hold it too.
            deadline: When to give up, on the clock `time.monotonic`.

        Raises:
            EmbeddedServerFailed: It was not free in time.
        """
        while not self.try_take(shared=shared):
            if time.monotonic() > deadline:
                raise EmbeddedServerFailed(reason=f"another process held {self.path} for too long")
            time.sleep(POLL_SECONDS)

    def release(self) -> None:
        """Give the lock up, for every process that inherited it too."""
        if self.fd is not None:
            fcntl.flock(self.fd, fcntl.LOCK_UN)
            self.close()

    def close(self) -> None:
        """Close this process' hold on the file; a child that inherited the lock keeps it."""
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None
