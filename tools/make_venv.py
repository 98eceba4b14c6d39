"""Makes `.venv` with the pinned packages, once: under a lock, stamped when it is complete, made anew when the pins change.

Only the standard library is used here. A build that is interrupted leaves no stamp, so the next one begins from nothing.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
STAMP = VENV / "complete"
PINS = ROOT / "requirements-dev.txt"
SHOWN_LINES = 25


def wanted_stamp() -> str:
    """Return what the stamp holds when the environment is as it should be: the pins, the project's own metadata, this Python."""
    digest = hashlib.sha256(PINS.read_bytes() + (ROOT / "pyproject.toml").read_bytes())
    # An environment holds absolute paths, so a checkout that was moved needs another.
    digest.update(f"{sys.version} {sys.base_prefix} {ROOT}".encode())
    return digest.hexdigest()


def is_complete() -> bool:
    """Tell whether there is nothing to do."""
    return STAMP.is_file() and STAMP.read_text() == wanted_stamp() and (VENV / "bin" / "python").exists()


def run(*arguments: str) -> None:
    """Run the environment's Python quietly; show the end of what it said when it fails.

    Raises:
        SystemExit: It failed.
    """
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONWARNINGS": "ignore"}
    command = [str(VENV / "bin" / "python"), *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        sys.stderr.write("\n".join(done.stdout.splitlines()[-SHOWN_LINES:]) + "\n")
        sys.exit(f"{' '.join(arguments[:3])} … failed; see above, then run make again")


def build() -> None:
    """Make the environment from nothing."""
    sys.stderr.write(f"making .venv with Python {sys.version.split()[0]} (once; about a minute)\n")
    shutil.rmtree(VENV, ignore_errors=True)
    venv.create(VENV, with_pip=True, symlinks=True)
    run("-m", "pip", "install", "--quiet", "--no-deps", "--requirement", str(PINS))
    # The build tools are among the pins, so that nothing unpinned is fetched for them.
    run("-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    run("-m", "pip", "check")
    STAMP.write_text(wanted_stamp())


def main() -> None:
    """Make the environment unless it is complete."""
    if is_complete():
        return
    with (ROOT / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_complete():  # somebody else may have made it while this one waited
            build()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
