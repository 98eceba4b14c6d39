"""`make check`: lint, format, types, architecture, coverage, licences. Runs all of them, and fails when one does."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHON = sys.executable
BIN = Path(PYTHON).parent
IN_WORKERS = ["--numprocesses", "auto", "--maxprocesses", "4", "--dist", "loadfile"]

CHECKS = {
    "lint": [[PYTHON, "-m", "ruff", "check", "--quiet"]],
    "format": [[PYTHON, "-m", "ruff", "format", "--check", "--quiet"]],
    "types": [[PYTHON, "-m", "mypy", "--no-error-summary"]],
    "types for pyright": [[str(BIN / "basedpyright"), "--project", "pyproject.toml", "--pythonpath", PYTHON]],
    "architecture": [[str(BIN / "lint-imports"), "--no-cache"]],
    "licences": [[PYTHON, "tools/licences.py"]],
    "coverage": [
        [PYTHON, "-m", "coverage", "erase"],
        # The crash suite runs the same lines a thousand times.
        [PYTHON, "-m", "coverage", "run", "-m", "pytest", "-q", *IN_WORKERS, "--ignore=tests/crash"],
        [PYTHON, "-m", "coverage", "combine", "--quiet"],
        [PYTHON, "-m", "coverage", "report"],
    ],
}


def passes(name: str) -> bool:
    """Run one check, and show what it said when it failed."""
    started = time.monotonic()
    for command in CHECKS[name]:
        done = subprocess.run(command, cwd=ROOT, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            print(f"{done.stdout}\n{name}: FAILED", flush=True)
            return False
    last = done.stdout.strip().splitlines()[-1:] if name in ("coverage", "licences") else []
    print(f"{name}: ok, {time.monotonic() - started:.0f} s", *last, flush=True)
    return True


if __name__ == "__main__":
    chosen = sys.argv[1:] or list(CHECKS)
    results = [passes(name) for name in chosen]
    sys.exit(0 if all(results) else 1)
