"""`roost run` as a process that a service manager watches."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.plugins.build import BOUND

PROJECT = """
from roost import MigrationStep, Plugin, PluginMigrationService, Runtime, Service


class NotesMigrations(PluginMigrationService):
    steps = [MigrationStep("make", "Make notes", up="CREATE TABLE notes (id int)", version="1.0.0")]


class Notes(Service):
    pass


runtime = Runtime(plugins=[Plugin(name="notes", services=[NotesMigrations, Notes])])
"""


def test_a_unit_of_type_notify(tmp_path: Path, database_url: str) -> None:
    """It hears that a start which migrates needs time, that the process is ready, lives and stops; SIGTERM ends it with 0."""
    (tmp_path / "shop.py").write_text(PROJECT)
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"{folder}/notify")
        manager.settimeout(BOUND)
        process = subprocess.Popen(
            [sys.executable, "-m", "roost.cli", "run", "shop:runtime", "--log-format", "json"],
            cwd=tmp_path,
            env={**os.environ, "DATABASE_URL": database_url, "NOTIFY_SOCKET": f"{folder}/notify", "WATCHDOG_USEC": "20000"},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            heard: list[str] = []
            while "WATCHDOG=1" not in heard:
                heard.append(manager.recv(4096).decode())
            process.send_signal(signal.SIGTERM)
            while heard[-1] != "STATUS=stopped":
                heard.append(manager.recv(4096).decode())
            _, told = process.communicate(timeout=BOUND)
        finally:
            process.kill()
            process.wait()
    first = {message: heard.index(message) for message in reversed(heard)}
    assert first["EXTEND_TIMEOUT_USEC=30000000"] < first["READY=1\nSTATUS=running"] < first["WATCHDOG=1"]
    assert first["WATCHDOG=1"] < first["STOPPING=1\nSTATUS=stopping"] < first["STATUS=stopped"]
    assert process.returncode == 0, told
