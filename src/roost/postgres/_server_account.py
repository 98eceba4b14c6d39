"""Whose rights an embedded server runs with. PostgreSQL refuses to run as root; then an account without rights stands in."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roost.errors import EmbeddedDataUnusable, EmbeddedServerUnavailable

STAND_INS = ("postgres", "nobody")
CAPABILITIES = {"CAP_CHOWN": 0, "CAP_DAC_OVERRIDE": 1, "CAP_KILL": 5, "CAP_SETGID": 6, "CAP_SETUID": 7}
"""What root needs to start a server as somebody else, to connect to its socket, and to stop it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAccount:
    """The user that a server runs as.

    Attributes:
        name: The user's name.
        uid: Its number.
        gid: Its group's.
        switched: Whether it is another user than this process'.
    """

    name: str
    uid: int
    gid: int
    switched: bool

    @property
    def popen_arguments(self) -> dict[str, Any]:
        """What lets `subprocess.Popen` start a program as this user."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.switched else {}

    def own(self, directory: Path) -> None:
        """Give a directory that was just made to this user; mode 0700.

        Args:
            directory: The directory.
        """
        directory.chmod(0o700)
        if self.switched:
            os.chown(directory, self.uid, self.gid)

    def can_enter(self, directory: Path) -> bool:
        """Tell whether this user gets into a directory.

        Args:
            directory: The directory.
        """
        if not self.switched:
            return os.access(directory, os.X_OK)
        # Asked of the kernel, which knows of access lists and mounts as well as of modes.
        return self._succeeds("/bin/sh", "-c", 'cd -- "$1"', "sh", str(directory))

    def can_run(self, program: Path) -> bool:
        """Tell whether this user can run a program.

        Args:
            program: The program; it is run with ``--version``.
        """
        return self._succeeds(str(program), "--version")

    def _succeeds(self, *command: str) -> bool:
        try:
            ended = subprocess.run(  # noqa: S603 -- the callers above name the programs
                command,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
                **self.popen_arguments,
            )
        except OSError:
            return False
        return ended.returncode == 0


def choose_account(cluster: Path) -> ServerAccount:
    """Choose the user for a server.

    Args:
        cluster: Where its data is, or will be.

    Returns:
        This process' own user; for root the owner of the data, or a user without rights.

    Raises:
        EmbeddedServerUnavailable: There is no user that PostgreSQL would run as.
        EmbeddedDataUnusable: The data belongs to somebody else.
    """
    own = os.geteuid()
    owner = cluster.stat().st_uid if cluster.exists() else None
    if own != 0:
        if owner not in (None, own):
            raise EmbeddedDataUnusable(data_dir=str(cluster), reason=f"it belongs to {_name(owner)}, and this process runs as {_name(own)}")
        return _with_entry(own, switched=False)
    _refuse_weak_root()
    if owner == 0:
        raise EmbeddedDataUnusable(data_dir=str(cluster), reason="it belongs to root, and PostgreSQL refuses to run as root")
    if owner is not None:
        return _with_entry(owner, switched=True)
    for name in STAND_INS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return ServerAccount(name=name, uid=entry.pw_uid, gid=entry.pw_gid, switched=True)
    raise EmbeddedServerUnavailable(
        reason=f"PostgreSQL refuses to run as root, and there is no user {' or '.join(STAND_INS)} to run it",
        remedy="run this as an ordinary user",
    )


def _with_entry(uid: int, *, switched: bool) -> ServerAccount:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise EmbeddedServerUnavailable(
            reason=f"the user id {uid} has no entry in the password database (/etc/passwd), and PostgreSQL refuses to run without one",
            remedy="run this as a user that has an entry, or add one for this id",
        ) from None
    return ServerAccount(name=entry.pw_name, uid=uid, gid=entry.pw_gid if switched else os.getegid(), switched=switched)


def _name(uid: int | None) -> str:
    try:
        return f"user {pwd.getpwuid(uid).pw_name}" if uid is not None else "nobody"
    except KeyError:
        return f"user id {uid}"


def _refuse_weak_root() -> None:
    if not sys.platform.startswith("linux"):
        return
    status = Path("/proc/self/status").read_text()
    held = next((int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:")), -1)
    missing = [name for name, bit in CAPABILITIES.items() if not held >> bit & 1]
    if missing:
        raise EmbeddedServerUnavailable(
            reason=f"PostgreSQL refuses to run as root, and this root may not run it as another user: it lacks {', '.join(missing)}",
            remedy="run this as an ordinary user, or with these capabilities",
        )
