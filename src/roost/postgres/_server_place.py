"""Where an embedded server keeps its cluster, its socket and its locks."""

from __future__ import annotations

import os
import re
import secrets
import stat
import sys
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from roost.errors import EmbeddedDataUnusable
from roost.postgres._server_account import ServerAccount, choose_account

ELSEWHERE_ROOT = Path("/var/tmp")  # noqa: S108 -- the name ends in random digits and the directory is made for its owner alone
SOCKET_ROOT = Path("/tmp")  # noqa: S108 -- the directory is made for its owner alone, or was seen to be
ELSEWHERE = "data-is-in"
"""A file in the data directory that names where the data really is."""
PORT = 5432
MAX_SOCKET_PATH = 100
REMOTE_FILE_SYSTEMS = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "fuse.sshfs")
_PLAIN = re.compile(r"[A-Za-z0-9/._-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerPlace:
    """The directories of one server.

    Attributes:
        data_dir: The directory that was asked for; locks and log are in it.
        home: Where the data is: `data_dir`, or a directory that the server's user can reach.
        sockets: The directory of the server's socket.
        account: Who runs the server and owns `cluster` and `sockets`.
    """

    data_dir: Path
    home: Path
    sockets: Path
    account: ServerAccount

    @property
    def cluster(self) -> Path:
        """PostgreSQL's own data directory; it appears when it is complete."""
        return self.home / "cluster"

    @property
    def log(self) -> Path:
        """What the server logged since it was started."""
        return self.data_dir / "server.log"

    @property
    def major(self) -> int | None:
        """The version that wrote the cluster; None when there is none yet."""
        try:
            return int((self.cluster / "PG_VERSION").read_text())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise EmbeddedDataUnusable(data_dir=str(self.data_dir), reason="its PG_VERSION is malformed") from error


def open_place(data_dir: Path) -> ServerPlace:
    """Find or make the directories of a server.

    Args:
        data_dir: An absolute path.

    Returns:
        The directories. The cluster itself may be missing.

    Raises:
        EmbeddedDataUnusable: The data can't be kept there.
        EmbeddedServerUnavailable: There is no user to run the server as.
    """
    try:
        account = choose_account(data_dir / "cluster")
        data_dir.mkdir(parents=True, exist_ok=True)
        if not os.access(data_dir, os.R_OK | os.W_OK | os.X_OK):
            raise EmbeddedDataUnusable(data_dir=str(data_dir), reason="this process may not write there")
        if (data_dir / "PG_VERSION").exists():
            raise EmbeddedDataUnusable(data_dir=str(data_dir), reason="it is the data directory of another PostgreSQL server")
        data_dir = data_dir.resolve()
        _refuse_remote(data_dir)
        home = _home(data_dir, account)
        if home != data_dir:
            account = choose_account(home / "cluster")
        return ServerPlace(data_dir=data_dir, home=home, sockets=_sockets(home, account), account=account)
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise EmbeddedDataUnusable(data_dir=str(data_dir), reason=f"{error.strerror}: {error.filename}") from error
    except OSError as error:
        raise EmbeddedDataUnusable(data_dir=str(data_dir), reason=str(error)) from error


def _home(data_dir: Path, account: ServerAccount) -> Path:
    pointer = data_dir / ELSEWHERE
    if not pointer.exists():
        if account.can_enter(data_dir):
            return data_dir
        if (data_dir / "cluster").exists():
            raise EmbeddedDataUnusable(data_dir=str(data_dir), reason=f"user {account.name}, who owns the data in it, can't reach it")
        # The random part makes a directory that was removed and made again an empty one.
        digest = sha256(os.fsencode(data_dir)).hexdigest()[:12]
        chosen = ELSEWHERE_ROOT / f"roost-postgres-{digest}-{secrets.token_hex(4)}"
        descriptor, draft = tempfile.mkstemp(dir=data_dir, prefix=f"{ELSEWHERE}.")
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(f"{chosen}\n")
            # Of several processes at once one writes the name, and all read that one.
            os.link(draft, pointer)
        except FileExistsError:
            pass
        finally:
            Path(draft).unlink()
    home = Path(pointer.read_text().rstrip("\n"))
    _make_private(home, account)
    return home


def _sockets(home: Path, account: ServerAccount) -> Path:
    inside = home / "sockets"
    if len(f"{inside}/.s.PGSQL.{PORT}") < MAX_SOCKET_PATH and _PLAIN.fullmatch(str(inside)):
        chosen = inside
    else:
        state = home.stat()
        digest = sha256(f"{home}\0{state.st_dev}\0{state.st_ino}".encode(errors="surrogateescape")).hexdigest()[:16]
        chosen = SOCKET_ROOT / f"roost-{account.uid}-{digest}"
    _make_private(chosen, account)
    return chosen


def _make_private(directory: Path, account: ServerAccount) -> None:
    # Several processes make it at once, in places where strangers may write too: it appears complete, or is looked at.
    draft = Path(tempfile.mkdtemp(prefix=f"{directory.name}.", dir=directory.parent))
    try:
        account.own(draft)
        if not directory.exists():
            draft.rename(directory)
    except OSError:
        if not directory.exists():
            raise
    finally:
        if draft.exists():
            draft.rmdir()
    state = directory.lstat()
    owners = {account.uid, *([_owner_of_cluster(directory)] if account.switched else [])}
    if not stat.S_ISDIR(state.st_mode) or state.st_uid not in owners:
        raise EmbeddedDataUnusable(data_dir=str(directory), reason=f"it is not a directory of user {account.name}")
    if stat.S_IMODE(state.st_mode) & 0o077:
        raise EmbeddedDataUnusable(data_dir=str(directory), reason="other users may enter it; its mode is not 0700")


def _owner_of_cluster(home: Path) -> int:
    try:
        return (home / "cluster").stat().st_uid
    except OSError:
        return -1


def _refuse_remote(data_dir: Path) -> None:
    if not sys.platform.startswith("linux"):
        return
    kinds: dict[Path, str] = {}
    for line in Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines():
        left, _, right = line.partition(" - ")
        mount = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), left.split()[4])
        kinds[Path(mount)] = right.split()[0]
    kind = next((kinds[place] for place in (data_dir, *data_dir.parents) if place in kinds), "")
    if kind in REMOTE_FILE_SYSTEMS:
        reason = f"it is on a network file system ({kind}), where neither locks nor crashes are safe"
        raise EmbeddedDataUnusable(data_dir=str(data_dir), reason=reason)
