"""Real servers in processes of their own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.plugins.build import BOUND
from tests.plugins.ports import free_port

ROOT = Path(__file__).parents[2]
APP = "tests.plugins.web_app:app"
GATE_KEY = 4711
"""The advisory lock that keeps the application's step from its end while a test holds it."""
GRACE = 60
"""Seconds that a server gives to open requests, where a test is not about that."""
SERVERS: dict[str, Callable[[int, int], list[str]]] = {
    "uvicorn": lambda port, grace: ["uvicorn", "--port", str(port), "--timeout-graceful-shutdown", str(grace)],
    "hypercorn": lambda port, grace: ["hypercorn", "--bind", f"127.0.0.1:{port}", "--workers", "0", "--graceful-timeout", str(grace)],
    "hypercorn with a worker": lambda port, grace: ["hypercorn", "--bind", f"127.0.0.1:{port}", "--graceful-timeout", str(grace)],
}


class WebServer:
    """One process, and a client of it.

    Args:
        kind: Which server.
        database_url: The application's database.
        grace: Seconds that it gives to open requests.
        app: The application, ``module:attribute``.
        **options: What `tests.plugins.web_app` is to do.
    """

    def __init__(self, kind: str, database_url: str, *, grace: int = GRACE, app: str = APP, **options: Any) -> None:
        self.port = free_port()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ROOST_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", *SERVERS[kind](self.port, grace), app],
            cwd=ROOT,
            env={**environment, "DATABASE_URL": database_url, "ROOST_TEST_WEB": json.dumps(options)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=BOUND, trust_env=False)

    @property
    def log(self) -> str:
        """What it has said so far."""
        return "".join(self.lines)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)

    def until(self, is_so: Callable[[], bool]) -> None:
        """Ask until something is so; fail when the process has ended, or after a while."""
        due = time.monotonic() + BOUND
        while time.monotonic() < due:
            try:
                if is_so():
                    return
            except httpx.TransportError:
                assert self.process.poll() is None, self.log
            time.sleep(0.02)
        raise AssertionError(f"it never came to be so:\n{self.log}")

    def until_status(self, status: int, path: str = "/readyz") -> dict[str, Any]:
        """Ask a path until it answers with a status, and return the answer with all its details."""
        answers: list[httpx.Response] = []

        def is_so() -> bool:
            answers[:] = [self.details(path)]
            return answers[0].status_code == status

        self.until(is_so)
        told: dict[str, Any] = answers[0].json()
        return told

    def details(self, path: str = "/readyz") -> httpx.Response:
        """Ask a probe for all that it tells."""
        return self.client.get(path, headers={"authorization": "Bearer to be told"})

    def signal(self) -> None:
        """Send it SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def ended(self) -> int:
        """Wait for its end, and return its exit code."""
        code = self.process.wait(BOUND)
        self._reader.join(BOUND)
        return code

    def close(self) -> None:
        """Kill what is left."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # a server's workers outlive it, and hold its output
        self.ended()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.client.close()
