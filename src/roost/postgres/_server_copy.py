"""Copies a server's programs to a place that its account can read, once for each build of them."""

from __future__ import annotations

import shutil
import stat
import tempfile
import time
from hashlib import sha256
from pathlib import Path

from roost.errors import EmbeddedServerUnavailable
from roost.postgres._server_account import ServerAccount
from roost.postgres._server_binaries import ServerBinaries
from roost.postgres._server_locks import FileLock

CACHES = (Path("/var/cache/roost-postgres"), Path("/var/tmp/roost-postgres"))  # noqa: S108 -- its owner and mode are checked
COPY_SECONDS = 120.0
_LEFT_OUT = shutil.ignore_patterns("include", "__pycache__", "*.py", "*.pyc", "*.a", "doc", "man")
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def readable_binaries(binaries: ServerBinaries, account: ServerAccount) -> ServerBinaries:
    """Return programs that the account can run: `binaries` themselves, or a copy of them.

    Args:
        binaries: Programs that this process can run.
        account: Who will run them.

    Returns:
        The programs.

    Raises:
        EmbeddedServerUnavailable: The account can run neither them nor a copy.
    """
    if all(account.can_run(binaries.directory / program) for program in ("postgres", "initdb")):
        return binaries
    reasons = []
    for cache in CACHES if binaries.package is not None else ():
        try:
            directory = _copied(binaries, cache)
        except OSError as error:
            reasons.append(f"{cache}: {error.strerror or error}")
            continue
        if account.can_run(directory / "postgres"):
            return ServerBinaries(directory=directory, version=binaries.version, package=binaries.package)
        reasons.append(f"{cache}: user {account.name} can't run the copy there")
    raise EmbeddedServerUnavailable(
        reason=f"PostgreSQL refuses to run as root, and user {account.name} can't run {binaries.directory / 'postgres'}",
        passed_over=tuple(reasons),
        remedy="install it where every user can read it, or run this as an ordinary user",
    )


def _copied(binaries: ServerBinaries, cache: Path) -> Path:
    package = binaries.package
    assert package is not None  # noqa: S101 -- the caller copies packages only
    cache.mkdir(mode=0o755, exist_ok=True)
    state = cache.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != 0 or state.st_mode & _WRITABLE_BY_OTHERS:
        raise PermissionError(f"it is not root's alone, so that what is in it can't be trusted: {cache}")
    # Wheels keep shared libraries in a directory beside the package.
    parts = [package, package.with_name(f"{package.name}.libs")]
    copy = cache / f"{package.name}-{binaries.version}-{_fingerprint(parts)}"
    lock = FileLock(cache / "copying.lock")
    lock.take(deadline=time.monotonic() + COPY_SECONDS)
    try:
        if not copy.exists():
            for stale in cache.glob("unfinished.*"):
                shutil.rmtree(stale)
            unfinished = Path(tempfile.mkdtemp(prefix="unfinished.", dir=cache))
            for part in parts:
                if part.is_dir():
                    shutil.copytree(part, unfinished / part.name, ignore=_LEFT_OUT, symlinks=True)
            _let_all_read(unfinished)
            unfinished.rename(copy)
    finally:
        lock.release()
    _let_all_read(cache, deep=False)
    return copy / package.name / binaries.directory.relative_to(package)


def _fingerprint(parts: list[Path]) -> str:
    digest = sha256()
    for part in parts:
        for file in sorted(part.rglob("*")):
            state = file.lstat()
            digest.update(f"{file.relative_to(part.parent)}\0{state.st_size}\0{state.st_mtime_ns}\0".encode())
    return digest.hexdigest()[:16]


def _let_all_read(top: Path, *, deep: bool = True) -> None:
    # A umask of 077 must not decide about what another user has to read.
    for path in [top, *(top.rglob("*") if deep else ())]:
        if path.is_symlink():
            continue
        executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
        path.chmod(0o755 if executable else 0o644)
