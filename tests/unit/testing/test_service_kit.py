from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from roost import Runtime, Service
from roost.errors import RuntimeBusy, RuntimeStopFailed, ServiceHung, ServiceNotFound, ServiceStartFailed, ServiceTaskCrashed
from roost.testing import (
    InjectedFault,
    LeftBehind,
    crash_after,
    fail_start,
    fail_stop,
    hang_start,
    hang_stop,
    run_virtual,
    stress_lifecycle,
)
from tests.plugins.services import in_virtual_time, leftover

pytest_plugins = ["roost.testing.fixtures"]


class Mailer(Service):
    def __init__(self) -> None:
        self.log: list[str] = []

    async def start(self) -> None:
        self.log.append("start")

    async def stop(self) -> None:
        self.log.append("stop")


class Held(Service):
    def __init__(self) -> None:
        self.log: list[str] = []

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        self.log.append("start")
        yield
        self.log.append("stop")


class User(Service):
    def __init__(self, mailer: Mailer) -> None:
        self.mailer = mailer


class Fake(Service):
    pass


def test_a_replacement_is_found_by_what_it_replaces() -> None:
    """By the class, by its name, and by those who need it; after the block the real one is back."""
    runtime = Runtime(services=[Mailer, User])
    with runtime.override({Mailer: Fake}):
        fake: Any = runtime.get_service(Mailer)
        user: Any = runtime.get_service(User)
        assert isinstance(fake, Fake)
        assert user.mailer is fake
        assert runtime.get_service("mailer") is runtime.get_service(Fake) is fake
        assert runtime.plan() == [("mailer",), ("user",)]
    assert type(runtime.get_service(User).mailer) is Mailer
    with pytest.raises(ServiceNotFound):
        runtime.get_service(Fake)


@pytest.mark.asyncio
async def test_a_replacement_may_be_an_instance_and_stays_without_a_block() -> None:
    """A started runtime refuses it."""
    fake, runtime = Mailer(), Runtime(services=[Mailer])
    runtime.override({Mailer: fake})
    async with runtime:
        assert runtime.get_service(Mailer) is fake
        with pytest.raises(RuntimeBusy):
            runtime.override({})


@pytest.mark.parametrize("cls", [Mailer, Held])
@in_virtual_time
async def test_faults(cls: type[Any]) -> None:
    """Each fault happens where its name says, whatever body the service has, and the service's own work is done before it."""

    async def life(replacement: type[Any], *, crashes: bool = False) -> tuple[BaseException | None, list[str]]:
        runtime = Runtime(services=[cls], start_timeout=0.05, stop_timeout=0.05)
        runtime.override({cls: replacement})
        service: Any = None
        try:
            async with runtime:
                service = runtime.get_service(cls)
                if crashes:
                    await asyncio.get_running_loop().create_future()
        except (ServiceStartFailed, ServiceHung, RuntimeStopFailed, ServiceTaskCrashed) as error:
            return error, [] if service is None else service.log
        return None, service.log

    found = [await life(make(cls)) for make in (fail_start, hang_start, fail_stop, hang_stop)]
    assert "in _hang" in str(found[3][0])
    found.append(await life(crash_after(cls, 0.01), crashes=True))
    assert [(type(error), log) for error, log in found] == [
        (ServiceStartFailed, []),
        (ServiceHung, []),
        (RuntimeStopFailed, ["start", "stop"]),
        (RuntimeStopFailed, ["start", "stop"]),
        (ServiceTaskCrashed, ["start", "stop"]),
    ]
    assert isinstance(found[0][0].__cause__ if found[0][0] else None, InjectedFault)
    assert leftover() == []


def test_the_fixtures_are_the_functions(
    fail_start: Callable[..., Any],
    hang_start: Callable[..., Any],
    fail_stop: Callable[..., Any],
    hang_stop: Callable[..., Any],
    crash_after: Callable[..., Any],
) -> None:
    """Each fixture of roost.testing.fixtures makes the class that its name says, with the service's own name."""
    made = [fail_start(Mailer), hang_start(Mailer), fail_stop(Mailer), hang_stop(Mailer), crash_after(Mailer, 1.0)]
    assert {(cls.__name__, cls.service_name, issubclass(cls, Mailer)) for cls in made} == {("Mailer", "mailer", True)}


@pytest.mark.asyncio
async def test_a_thousand_rounds_leave_nothing() -> None:
    """Services of every kind live through a thousand orders of calls, each of which is tried."""

    class Worker(Service):
        def __init__(self, mailer: Mailer) -> None:
            pass

        async def start(self) -> None:
            self.create_task(asyncio.Event().wait())

        async def run(self) -> None:
            await asyncio.Event().wait()

    report = await stress_lifecycle(lambda: Runtime(services=[Worker, Held, Mailer]), rounds=1000)
    assert report.rounds == sum(report.orders.values()) == 1000
    assert min(report.orders.values()) > 70
    assert leftover() == []


@pytest.mark.asyncio
async def test_what_is_left_behind_is_named() -> None:
    """A service that leaves a task behind is caught by the round in which it did."""
    tasks = []

    class Leaky(Service):
        async def start(self) -> None:
            tasks.append(asyncio.create_task(asyncio.Event().wait(), name="leaked"))

    with pytest.raises(LeftBehind, match=r"otherwise than by self.create_task: leaked \(Event.wait at .*locks.py"):
        await stress_lifecycle(lambda: Runtime(services=[Leaky]), rounds=20)
    for task in tasks:
        task.cancel()


def test_hours_pass_in_no_time() -> None:
    """Sleeps, timeouts and a runtime's deadlines follow the virtual clock, in the order in which they would have come."""

    async def main() -> tuple[list[str], float, str]:
        log: list[str] = []

        async def wait(hours: int) -> None:
            await asyncio.sleep(hours * 3600)
            log.append(f"{hours} h")

        await asyncio.gather(wait(3), wait(1), wait(2))
        with pytest.raises(ServiceHung) as caught:
            await Runtime(services=[hang_start(Mailer)], start_timeout=86400).start()
        return log, asyncio.get_running_loop().time(), caught.value.service

    log, now, service = run_virtual(main())
    assert (log, service) == (["1 h", "2 h", "3 h"], "mailer")
    assert now == pytest.approx(3 * 3600 + 86400, abs=1)


def test_a_deadlock_is_told_and_not_waited_for() -> None:
    """Where no task can ever go on, the virtual clock says where they wait."""

    async def dead() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match=r"nothing can ever happen any more.*\n.*test_service_kit.py:\d+ in .*dead"):
        run_virtual(dead())


@pytest.mark.asyncio
async def test_a_runtime_that_is_used_again_is_told() -> None:
    """The kit wants a new one for each round."""
    runtime = Runtime(services=[Mailer])
    with pytest.raises(LeftBehind, match="a new runtime each time"):
        await stress_lifecycle(lambda: runtime, rounds=50)
