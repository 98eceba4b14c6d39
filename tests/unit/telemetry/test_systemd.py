"""What arrives at a real datagram socket."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from roost import Runtime, Service
from roost.errors import InvalidNotifyVariable, ServiceStartFailed, ServiceTaskCrashed
from roost.migrations import LockHolderSeen, RunFinished, RunStarted, StepStarted
from roost.telemetry import _notify_socket, _systemd, notify_systemd
from tests.plugins.build import BOUND
from tests.plugins.services import failing, noting

FIRST = StepStarted(plugin="notes", step="s1", description="", version="1.0.0", direction="up", index=1, total=9)
EXTENSION = "EXTEND_TIMEOUT_USEC=30000000"


class Manager:
    """A service manager's end of the socket."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(0)
        self.socket.bind(address)
        self.environment = {"NOTIFY_SOCKET": address.replace("\0", "@")}

    def heard(self) -> list[str]:
        """Return the messages that wait."""
        found = []
        while True:
            try:
                found.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return found

    async def next(self) -> str:
        """Wait for a message."""
        async with asyncio.timeout(BOUND):
            return (await asyncio.get_running_loop().sock_recv(self.socket, 4096)).decode()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest) -> Iterator[Manager]:
    """A socket that is a file, then one that is none; its address is short, as it must be."""
    with tempfile.TemporaryDirectory() as folder:
        found = Manager(str(Path(folder) / "notify") if request.param == "path" else f"\0roost-test-{os.getpid()}-{id(request)}")
        yield found
        found.socket.close()


@pytest.mark.asyncio
async def test_a_life_is_told(manager: Manager) -> None:
    """Ready when everything is started and not before, stopping as soon as a stop begins; a second life is told like the first."""
    at: list[tuple[str, list[str]]] = []

    class Slow(Service):
        async def start(self) -> None:
            at.append(("start", manager.heard()))

        async def stop(self) -> None:
            at.append(("stop", manager.heard()))

    runtime = Runtime(services=[Slow])
    notify_systemd(runtime, environment=manager.environment)
    for _ in range(2):
        async with runtime:
            at.append(("up", manager.heard()))
        at.append(("down", manager.heard()))
    life = [
        ("start", ["STATUS=starting 1 services"]),
        ("up", ["READY=1\nSTATUS=running"]),
        ("stop", ["STOPPING=1\nSTATUS=stopping"]),
        ("down", ["STATUS=stopped"]),
    ]
    assert at == [*life, *life]


@pytest.mark.asyncio
async def test_a_failed_start_is_never_ready(manager: Manager) -> None:
    """It says what failed by its class, not what its text says."""
    runtime = Runtime(services=[noting("a", [], start=failing(ValueError("hunter2")))])
    notify_systemd(runtime, environment=manager.environment)
    with pytest.raises(ServiceStartFailed):
        await runtime.start()
    heard = manager.heard()
    assert "STATUS=the start failed: ServiceStartFailed" in heard
    assert not any("READY" in one or "hunter2" in one for one in heard)


@pytest.mark.asyncio
async def test_a_start_that_migrates_gets_more_time(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for when the run begins, and again and again until it ends; in a process that is ready it is not."""
    monkeypatch.setattr(_systemd, "SECONDS_BETWEEN_EXTENSIONS", 0.001)
    runtime = Runtime()
    notify_systemd(runtime, environment=manager.environment)
    runtime.events.emit(RunStarted(services=()))
    assert manager.heard() == [EXTENSION, "STATUS=looking what there is to migrate"]
    assert [await manager.next() for _ in range(3)] == [EXTENSION] * 3
    runtime.events.emit(RunFinished(steps=0, duration=0.0, error=None))
    async with runtime:
        manager.heard()
        runtime.events.emit(RunStarted(services=()))
        runtime.events.emit(RunFinished(steps=0, duration=0.0, error=None))
        while (heard := await manager.next()) != "STATUS=running":
            assert not heard.startswith("EXTEND")


@pytest.mark.asyncio
async def test_progress_is_told_no_more_often_than_read(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many steps at once the first is told at once and the last after a while, each once; a status never has a second line."""
    monkeypatch.setattr(_systemd, "SECONDS_BETWEEN_LINES", 0.001)
    runtime = Runtime()
    end = notify_systemd(runtime, environment=manager.environment)
    for number in range(1, 10):
        runtime.events.emit(
            StepStarted(plugin="notes", step=f"s{number}\nREADY=1", description="", version="1", direction="up", index=number, total=9)
        )
    assert manager.heard() == ["STATUS=migrating notes 1/9: s1 READY=1"]
    assert await manager.next() == "STATUS=migrating notes 9/9: s9 READY=1"
    await asyncio.sleep(0.02)  # in which many were due
    assert manager.heard() == []
    end()


@pytest.mark.asyncio
async def test_the_watchdog_hears_as_long_as_all_is_well(manager: Manager) -> None:
    """Signs of life come while the runtime is up, and none after a crash, though others are slow to stop."""
    crash = asyncio.Event()

    class Crashing(Service):
        async def run(self) -> None:
            await crash.wait()
            raise OSError("gone")

    silent: list[bool] = []

    class SlowToStop(Service):
        async def stop(self) -> None:
            manager.heard()
            await asyncio.sleep(0.05)  # far longer than the time between two signs of life
            silent.append("WATCHDOG=1" not in manager.heard())

    environment = {**manager.environment, "WATCHDOG_USEC": "2000", "WATCHDOG_PID": str(os.getpid())}
    runtime = Runtime(services=[Crashing, SlowToStop])
    notify_systemd(runtime, environment=environment)
    await runtime.start()
    manager.heard()
    assert [await manager.next() for _ in range(3)] == ["WATCHDOG=1"] * 3
    crash.set()
    with pytest.raises(ServiceTaskCrashed):
        await runtime.wait()
    assert silent == [True]
    assert manager.heard()[-1].startswith("STATUS=stopped")


@pytest.mark.asyncio
async def test_a_loop_that_hangs_gives_no_sign_of_life(manager: Manager) -> None:
    """What blocks the event loop is what a watchdog is for."""
    runtime = Runtime()
    end = notify_systemd(runtime, environment={**manager.environment, "WATCHDOG_USEC": "2000"})
    async with runtime:
        await manager.next()
        manager.heard()
        manager.socket.settimeout(0.05)
        with pytest.raises(TimeoutError):
            manager.socket.recv(4096)
        manager.socket.settimeout(0)
        end()


@pytest.mark.asyncio
async def test_another_processs_watchdog_is_not_ours(manager: Manager) -> None:
    """Who has inherited the variables is not watched."""
    environment = {**manager.environment, "WATCHDOG_USEC": "1", "WATCHDOG_PID": str(os.getpid() + 1)}
    assert _notify_socket.service_manager(environment, pid=os.getpid()) == _notify_socket.ServiceManager(
        address=manager.environment["NOTIFY_SOCKET"].replace("@", "\0"), watchdog=None
    )


def test_without_a_service_manager_nothing_happens() -> None:
    """Nobody listens, and what is returned may be called."""
    runtime = Runtime()
    end = notify_systemd(runtime, environment={"WATCHDOG_USEC": "nonsense"})
    assert not runtime.events.wants(RunStarted)
    end()


@pytest.mark.parametrize(
    "environment",
    [
        {"NOTIFY_SOCKET": "relative"},
        {"NOTIFY_SOCKET": "vsock:2:1"},
        {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "soon"},
        {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "0"},
    ],
)
def test_a_variable_that_makes_no_sense_is_refused(environment: dict[str, str]) -> None:
    """The error names it with its value, and nobody listens."""
    runtime = Runtime()
    with pytest.raises(InvalidNotifyVariable) as caught:
        notify_systemd(runtime, environment=environment)
    assert environment[caught.value.variable] == caught.value.value
    assert not runtime.events.wants(RunStarted)


@pytest.mark.asyncio
async def test_a_manager_that_is_gone_is_told_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The runtime lives on, and the log has one warning for all that could not be told."""
    runtime = Runtime()
    notify_systemd(runtime, environment={"NOTIFY_SOCKET": str(Path("/nowhere") / "notify")})
    async with runtime:
        pass
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [(record.name, "/nowhere/notify" in record.getMessage()) for record in warnings] == [("roost.telemetry", True)]


@pytest.mark.asyncio
async def test_what_is_vital_waits_for_room(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the socket is full nothing waits and progress is dropped; that it is ready comes through as soon as there is room."""
    monkeypatch.setattr(_notify_socket, "SECONDS_BETWEEN_TRIES", 0.001)
    filler = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    filler.settimeout(0)
    with filler:
        full = 0
        while True:
            try:
                filler.sendto(b"filler", manager.socket.getsockname())
            except BlockingIOError:
                break
            full += 1
        runtime = Runtime()
        notify_systemd(runtime, environment=manager.environment)
        async with runtime:
            runtime.events.emit(FIRST)
            assert [await manager.next() for _ in range(full)] == ["filler"] * full
            assert await manager.next() == "READY=1\nSTATUS=running"
        assert manager.heard() == ["STOPPING=1\nSTATUS=stopping", "STATUS=stopped"]


@pytest.mark.asyncio
async def test_it_ends_when_it_is_told(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens and no timer is left, in the middle of a run too; to end twice is harmless."""
    monkeypatch.setattr(_systemd, "SECONDS_BETWEEN_EXTENSIONS", 0.001)
    runtime = Runtime()
    end = notify_systemd(runtime, environment=manager.environment)
    assert runtime.events.wants(LockHolderSeen)  # so that the line says what the other run does by now
    runtime.events.emit(RunStarted(services=()))
    end()
    end()
    manager.heard()
    await asyncio.sleep(0.02)  # in which many were due
    assert manager.heard() == []
    runtime.events.emit(RunStarted(services=()))
    assert (manager.heard(), runtime.events.wants(RunStarted)) == ([], False)


def test_a_second_loop_is_told_as_well(manager: Manager) -> None:
    """Who migrates in one event loop and starts in another leaves no timer behind that keeps lines back."""
    runtime = Runtime()
    end = notify_systemd(runtime, environment=manager.environment)

    async def migrate() -> None:
        runtime.events.emit(RunStarted(services=()))

    asyncio.run(migrate())
    manager.heard()
    asyncio.run(migrate())
    assert manager.heard() == [EXTENSION, "STATUS=looking what there is to migrate"]
    end()
