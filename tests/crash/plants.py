"""`make plants`: proves the harness itself. Each patch under `plants/` puts a bug into the engine, and must be caught.

A bug counts only if the ordinary unit tests do not see it. It is caught where a case of one of the kinds that its patch names finds
something broken, or where the plan does not even hold without faults. The exit code is 1 when a bug is missed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.crash.cases import NO_SUCH_KIND

ROOT = Path(__file__).resolve().parents[2]
PLANTS = Path(__file__).with_name("plants")
UNIT_TESTS = ("tests/unit/migrations", "tests/unit/postgres")
CATCH_SECONDS = 600
"""A case may hang with a bug; after so long it counts as caught by that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """A bug to be planted.

    Attributes:
        path: The patch.
        what: What is wrong with it.
        kinds: The kinds of cases that must catch it.
    """

    path: Path
    what: str
    kinds: tuple[str, ...]


def plants() -> list[Plant]:
    """Return all bugs, by name."""
    return [_read(path) for path in sorted(PLANTS.glob("*.patch"))]


def _read(path: Path) -> Plant:
    head, _, _ = path.read_text("utf-8").partition("\n\n")
    told = dict(re.findall(r"^(What|Caught by): (.+)$", head, re.MULTILINE))
    return Plant(path=path, what=told["What"], kinds=tuple(told["Caught by"].split(", ")))


def planted(plant: Plant, directory: Path) -> Path:
    """Return a copy of the sources that has the bug.

    Raises:
        subprocess.CalledProcessError: The patch does not fit the sources any more.
    """
    shutil.copytree(ROOT / "src", directory / "src", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["git", "apply", str(plant.path)], cwd=directory, check=True, capture_output=True, text=True)
    return directory / "src"


def caught(plant: Plant, *, seed: int) -> str | None:
    """Plant a bug, and return what caught it; None when nothing did.

    Raises:
        AssertionError: The unit tests see the bug, or there are no cases of a kind that must catch it.
    """
    with tempfile.TemporaryDirectory() as directory:
        sources = planted(plant, Path(directory))
        unit = _python(sources, "-m", "pytest", "-q", "-x", *UNIT_TESTS)
        assert unit.returncode == 0, f"{plant.path.stem}: the unit tests see it\n{(unit.stdout + unit.stderr)[-2000:]}"
        kinds = [argument for kind in plant.kinds for argument in ("--kind", kind)]
        try:
            tried = _python(sources, "-m", "tests.crash", "--until-first", "--seed", str(seed), "--results", f"{directory}/results", *kinds)
        except subprocess.TimeoutExpired:
            return f"it hangs for {CATCH_SECONDS} s"
    assert tried.returncode != NO_SUCH_KIND, f"{plant.path.stem}: {tried.stderr.strip().splitlines()[-1]}"
    if tried.returncode == 0:
        return None
    broken = re.findall(r"^    (.+)$", tried.stdout, re.MULTILINE)
    return broken[-1] if broken else (tried.stderr.strip().splitlines() or ["it ended without a word"])[-1]


def _python(sources: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": f"{sources}{os.pathsep}{ROOT}"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=CATCH_SECONDS
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Plant each bug, and say what caught it."""
    parser = argparse.ArgumentParser(prog="make plants", description=__doc__)
    parser.add_argument("names", nargs="*", help="only these, by the names of their patches; all by default")
    parser.add_argument("--seed", type=int, default=1, help="the order of the cases")
    options = parser.parse_args(arguments)
    chosen = [plant for plant in plants() if not options.names or plant.path.stem in options.names]
    missed = 0
    for plant in chosen:
        started = time.monotonic()
        found = caught(plant, seed=options.seed)
        missed += found is None
        verdict = "MISSED" if found is None else f"caught by {found[:160]}"
        print(f"{plant.path.stem} ({time.monotonic() - started:.0f} s): {verdict}", flush=True)
    print(f"{len(chosen)} planted, {missed} missed")
    return 1 if missed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
