"""Directories for embedded servers, and processes that use them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.plugins.build import BOUND
from tests.plugins.embedded_users import USER_PROGRAM, remove_data_elsewhere


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A directory that does not exist yet, in one that is closed to others; its path is short, as a socket's has an end.

    What root's servers below it keep elsewhere is removed with it.
    """
    directory = Path(tempfile.mkdtemp(prefix="roost-test-"))
    yield directory / "data"
    remove_data_elsewhere(directory)
    shutil.rmtree(directory)


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that everybody can reach and write; pytest's own are closed to others."""
    directory = Path(tempfile.mkdtemp(prefix=f"roost-test-{os.getpid()}-"))
    directory.chmod(0o777)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def another_user(data_dir: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Starts a process that uses the server on `data_dir` until its stdin gets a line."""
    running: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", USER_PROGRAM, str(data_dir)]
        running.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.communicate(timeout=BOUND)
