"""`make check`: lint, format, types, architecture, coverage, licences. Runs all of them, and fails when one does.

What a check that failed has said comes last, so that the end of a log that was cut still holds it.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WITHOUT_COVERAGE = (
    "acceptance",
    "crash",
    "typing",
    "conformance/test_schema_changes.py",
    "integration/test_any_schema.py",
    "integration/test_declared_schemas_online.py",
    "integration/test_web_servers.py",
)
"""Tests that measure none: `make test` runs them, and so does `.ci/run`."""
PYTHON = sys.executable
BIN = Path(PYTHON).parent
IN_WORKERS = ["--numprocesses", "auto", "--maxprocesses", "4", "--max-worker-restart", "0", "--dist", "loadfile"]

CHECKS = {
    "lint": [[PYTHON, "-m", "ruff", "check", "--quiet"]],
    "format": [[PYTHON, "-m", "ruff", "format", "--check", "--quiet"]],
    "types": [[PYTHON, "-m", "mypy", "--no-error-summary"]],
    "types for pyright": [[str(BIN / "basedpyright"), "--project", "pyproject.toml", "--pythonpath", PYTHON]],
    "architecture": [[str(BIN / "lint-imports"), "--no-cache"]],
    "licences": [[PYTHON, "tools/licences.py"]],
    "coverage": [
        [PYTHON, "-m", "coverage", "erase"],
        # The others run the same lines a thousand times, or in programs and servers beside.
        [PYTHON, "-m", "coverage", "run", "-m", "pytest", "-q", *IN_WORKERS, *(f"--ignore=tests/{path}" for path in WITHOUT_COVERAGE)],
        # A data file that is not whole, as that of a process that was killed, is left out with a warning.
        [PYTHON, "-m", "coverage", "combine", "--quiet"],
        [PYTHON, "-m", "coverage", "report"],
    ],
}


def said_by(command: list[str]) -> tuple[int, str]:
    """Run a command in the project, and return its exit code and all that it said; who interrupts it is shown that."""
    with subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            said, _ = process.communicate()
        except KeyboardInterrupt:  # the command hears of it too
            print(process.communicate()[0], flush=True)
            raise
    return process.returncode, said


def failure_of(name: str) -> str | None:
    """Run one check, say in a line how it ended, and return what it said when it failed."""
    started = time.monotonic()
    said = ""
    for command in CHECKS[name]:
        code, said = said_by(command)
        if code != 0:
            print(f"{name}: FAILED with {code}, {time.monotonic() - started:.0f} s", flush=True)
            return said
    last = said.strip().splitlines()[-1:] if name in ("coverage", "licences") else []
    print(f"{name}: ok, {time.monotonic() - started:.0f} s", *last, flush=True)
    return None


def main(chosen: list[str]) -> int:
    """Run checks, then show what those said that failed."""
    failures = {name: said for name in chosen if (said := failure_of(name)) is not None}
    for name, said in failures.items():
        print(f"\n{said}\n{name}: FAILED", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(CHECKS)))
