"""One at a time in a folder: two that number their files at once would choose the same number."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from roost.errors import FilesNotWritten


@contextmanager
def turn_in(directory: Path) -> Iterator[None]:
    """Wait until no other process writes into a folder by this, and keep others waiting inside the block.

    Args:
        directory: The folder; where it is missing, the nearest one above it is locked.

    Raises:
        FilesNotWritten: The system refuses something inside the block.
    """
    descriptor: int | None = None
    try:
        descriptor = _locked(directory)
        yield
    except OSError as error:
        raise FilesNotWritten(path=str(error.filename or directory), reason=error.strerror or str(error)) from error
    finally:
        if descriptor is not None:
            os.close(descriptor)  # which gives the lock back, as the end of the process does


def _locked(directory: Path) -> int | None:
    if sys.platform == "win32":
        return None
    from fcntl import LOCK_EX, flock  # noqa: PLC0415 -- Windows can't lock a folder, and has no such module

    there = directory.absolute()
    while not there.is_dir() and there != there.parent:
        there = there.parent
    with suppress(OSError):  # it can't be opened, or its file system has no locks: whoever is alone needs none
        descriptor = os.open(there, os.O_RDONLY)
        with suppress(OSError):
            flock(descriptor, LOCK_EX)
        return descriptor
    return None
