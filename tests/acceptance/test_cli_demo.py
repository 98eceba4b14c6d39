"""``roost demo`` as a process: embedded server, migrations, application, and a clean end."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.build import BOUND
from tests.plugins.embedded_users import has_server, remove_data_elsewhere, wait_for_lock

APP = """
import asyncio
from roost import MigrationStep, Plugin, PluginMigrationService, Runtime, Service


class NotesMigrations(PluginMigrationService):
    steps = [MigrationStep("make", "Make notes", up="CREATE TABLE notes (id int)", version="1.0.0")]


class Speaker(Service):
    def __init__(self):
        self.crash = asyncio.Event()

    async def start(self):
        print("speaker started", flush=True)

    async def run(self):
        await self.crash.wait()
        raise RuntimeError("lost its voice")

    async def stop(self):
        print("speaker stopped", flush=True)


runtime = Runtime(plugins=[Plugin(name="notes", services=[NotesMigrations, Speaker])])


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await runtime.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await runtime.stop()
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"] == "/crash":
        runtime.get_service(Speaker).crash.set()
    status = 200 if scope["path"] == "/" else 404
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b"hello from notes"})


async def refusing(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no mood"})
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A project with an application."""
    (tmp_path / "shop.py").write_text(APP)
    _write_project(tmp_path)
    yield tmp_path
    remove_data_elsewhere(tmp_path)


def _write_project(directory: Path, *, app: str = 'app = "shop:app"', request: str = "GET /") -> None:
    (directory / "pyproject.toml").write_text(f'[tool.roost]\nruntime = "shop:runtime"\n{app}\ndemo_request = "{request}"\n')


def _start(project: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "roost.cli", "demo", *arguments],
        cwd=project,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    with _start(project, *arguments) as process:
        out, err = process.communicate(timeout=BOUND)
    return subprocess.CompletedProcess([], process.returncode, out, err)


def _served_url(process: subprocess.Popen[str]) -> str:
    """Read standard output up to the line that says where it serves."""
    assert process.stdout is not None
    for line in process.stdout:
        found = re.fullmatch(r"serving shop:app on (\S+) \(Ctrl-C stops it\)\n", line)
        if found:
            return found[1]
    raise AssertionError(process.stderr.read() if process.stderr else "")


def _server_lives(project: Path) -> bool:
    """Tell whether a server lives on the project's data."""
    return has_server(project / ".roost")


def test_once_migrates_serves_and_ends(project: Path) -> None:
    """`--once` migrates, shows status and history, asks the application, exits 0 and leaves no process; again, nothing is to do."""
    first = _run(project, "--once")
    assert first.returncode == 0, first.stderr
    assert "notes 1/1 up make: Make notes" in first.stderr
    assert "History (1)" in first.stdout
    assert first.stdout.endswith("GET / -> 200\nhello from notes\nspeaker stopped\n")
    assert first.stderr.endswith("stopped\n")
    assert (project / ".roost").is_dir()
    assert not _server_lives(project)

    second = _run(project, "--once")
    assert second.returncode == 0, second.stderr
    assert "nothing to do" in second.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_stops_everything_in_reverse_order(project: Path, number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM stop application, runtime and server in this order, exit 0 and leave no process."""
    with _start(project) as process:
        url = _served_url(process)
        with urllib.request.urlopen(url) as answer:  # noqa: S310 -- our own server
            assert answer.read() == b"hello from notes"
        process.send_signal(number)
        out, err = process.communicate(timeout=BOUND)
    assert (process.returncode, out) == (0, "speaker stopped\n")
    assert err.splitlines()[-3:] == ["stopping", "stopping PostgreSQL", "stopped"]
    assert "Traceback" not in err
    assert not _server_lives(project)


def test_two_demos_share_a_server_and_serve_on_two_ports(project: Path) -> None:
    """Two demos at once on one directory migrate once and serve on two ports; the end of one leaves the other alone."""
    with _start(project) as one, _start(project) as two:
        urls = [_served_url(one), _served_url(two)]
        assert len(set(urls)) == 2
        one.send_signal(signal.SIGINT)
        _, first = one.communicate(timeout=BOUND)
        with urllib.request.urlopen(urls[1]) as answer:  # noqa: S310 -- our own server
            assert answer.status == 200
        two.send_signal(signal.SIGINT)
        _, second = two.communicate(timeout=BOUND)
    assert (one.returncode, two.returncode) == (0, 0)
    assert (first + second).count("notes 1/1 up make: Make notes") == 1
    assert not _server_lives(project)


def test_given_port_that_is_taken_is_an_error(project: Path) -> None:
    """A `--port` that is taken exits 1 with one sentence, before anything is started."""
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        done = _run(project, "--once", "--port", str(port))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"error: Can't serve on 127.0.0.1:{port}: the port is taken\nhint: give another --port, or none to take the next free one\n"
    )
    assert not (project / ".roost").exists()


def test_bad_answer_exits_one(project: Path) -> None:
    """An answer that is not of the 200s exits 1, after a clean stop."""
    _write_project(project, request="GET /nowhere")
    done = _run(project, "--once")
    assert done.returncode == 1
    assert "error: The request GET /nowhere failed: the answer was 404: hello from notes" in done.stderr
    assert done.stdout.endswith("speaker stopped\n")
    assert not _server_lives(project)


def test_application_that_refuses_is_an_error(project: Path) -> None:
    """An application that does not start exits 1 with what it said."""
    _write_project(project, app='app = "shop:refusing"')
    done = _run(project)
    assert done.returncode == 1
    assert "error: The application shop:refusing failed: no mood" in done.stderr
    assert not _server_lives(project)


def test_crash_of_a_service_ends_the_demo(project: Path) -> None:
    """A service that crashes is an error with exit code 1; uvicorn alone would go on answering."""
    with _start(project) as process:
        url = _served_url(process)
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{url}crash")  # noqa: S310 -- our own server
        caught.value.close()
        _, err = process.communicate(timeout=BOUND)
    assert process.returncode == 1
    assert "error: Service speaker crashed: RuntimeError: lost its voice" in err
    assert not _server_lives(project)


def test_killed_demo_leaves_no_server(project: Path) -> None:
    """After kill -9 the server ends by itself, and the next demo starts cleanly and finds nothing to do."""
    with _start(project) as process:
        _served_url(process)
        process.kill()
        process.communicate(timeout=BOUND)
    wait_for_lock(project / ".roost" / "server.lock")
    again = _run(project, "--once")
    assert again.returncode == 0, again.stderr
    assert "nothing to do" in again.stderr


def test_runtime_alone_runs_until_a_signal(project: Path) -> None:
    """Without an application the runtime itself runs until Ctrl-C."""
    _write_project(project, app="")
    with _start(project) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line == "the runtime is started; Ctrl-C stops it\n":
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=BOUND)
    assert (process.returncode, out) == (0, "speaker stopped\n"), err
    assert not _server_lives(project)


def test_once_without_application_is_a_usage_error(project: Path) -> None:
    """`--once` without an application exits 2 before anything is started."""
    _write_project(project, app="")
    done = _run(project, "--once")
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        2,
        "error: --once sends a request, and there is no application to send it to",
    )
