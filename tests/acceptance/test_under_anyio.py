from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CASES = ["tests/conformance/test_runtime_lifecycle.py", "tests/conformance/test_runtime_plugins.py"]


def test_the_runtimes_cases_hold_under_anyios_plugin_too() -> None:
    """Whose event loop, tasks and fixtures they are makes no difference: all 22 cases pass, and none is left out."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", "tests/anyio.ini", "--rootdir", str(ROOT), *CASES],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip().splitlines()[-1].split(" in ")[0]) == (0, "22 passed"), done.stdout
