"""Runs ``roost`` as a process, in a directory with a runtime."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias

from tests.plugins.build import BOUND

Roost: TypeAlias = "Callable[..., subprocess.CompletedProcess[str]]"
"""Takes the words behind ``roost``, and variables of the environment by name."""

ELSEWHERE = ("ROOST_DATABASE_URL", "DATABASE_URL", "ROOST_RUNTIME")
"""What would name another runtime or database; so would PostgreSQL's own variables."""


def write_project(directory: Path, module: str) -> None:
    """Write a project whose runtime is ``shop:runtime``."""
    (directory / "shop.py").write_text(module, "utf-8")
    (directory / "pyproject.toml").write_text('[tool.roost]\nruntime = "shop:runtime"\n', "utf-8")


def roost_in(directory: Path, **always: str) -> Roost:
    """Return what runs ``roost`` there; its standard input is no terminal, and nothing but what is given says where a database is.

    Args:
        directory: The current directory of each process.
        always: Variables that each process has.
    """
    return partial(_run, directory, always)


def _run(directory: Path, always: dict[str, str], *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name not in ELSEWHERE and not name.startswith("PG")}
    return subprocess.run(
        [sys.executable, "-m", "roost.cli", *arguments],
        cwd=directory,
        env={**inherited, **always, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BOUND,
        check=False,
    )
