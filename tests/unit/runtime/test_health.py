from __future__ import annotations

import asyncio

import pytest

from roost import Database, Runtime, Service
from roost.errors import RuntimeStopFailed, ServiceHung
from tests.plugins.services import failing, hang, in_virtual_time, leftover, noting, runtime_of


class Fine(Service):
    async def health(self) -> dict[str, int]:
        return {"queue": 3}


class Bad(Service):
    async def health(self) -> None:
        raise OSError("the disk is full")


class Late(Service):
    health_timeout = 0.01

    async def health(self) -> None:
        await hang(self)


class Silent(Service):
    pass


@in_virtual_time
async def test_each_service_answers_for_itself() -> None:
    """Checks run at once; one that raises or is late is unhealthy with its reason; one without a check is not asked."""
    async with runtime_of(Fine, Bad, Late, Silent) as runtime:
        answers = await runtime.health()
    assert [(one.service, one.is_healthy, (one.error or "").split(" (")[0], one.details) for one in answers] == [
        ("fine", True, "", {"queue": 3}),
        ("bad", False, "OSError: the disk is full", None),
        ("late", False, "no answer within 0.01 s", None),
    ]
    assert leftover() == []


@pytest.mark.asyncio
async def test_what_is_not_up_is_not_healthy() -> None:
    """A service that has not started is not asked, and says where it stands."""
    (answer,) = await runtime_of(Fine).health()
    assert (answer.is_healthy, answer.error) == (False, "it is new")


@pytest.mark.asyncio
async def test_ready_is_between_start_and_the_wish_to_stop() -> None:
    """A runtime is ready once all is started, and no more from the moment on in which somebody wants it to stop."""
    seen: list[bool] = []

    class Looks(Service):
        def __init__(self, runtime: Runtime) -> None:
            self.runtime = runtime

        async def start(self) -> None:
            seen.append(self.runtime.is_ready)

        async def drain(self) -> None:
            seen.append(self.runtime.is_ready)

        async def stop(self) -> None:
            seen.append(self.runtime.is_ready)

    runtime = runtime_of(Looks)
    seen.append(runtime.is_ready)
    async with runtime:
        seen.append(runtime.is_ready)
    seen.append(runtime.is_ready)
    assert seen == [False, False, True, False, False, False]


@pytest.mark.asyncio
async def test_all_drain_before_anything_stops() -> None:
    """Drains run at once, while everything is still up; then the stops follow in reverse."""
    log: list[str] = []
    together = asyncio.Barrier(2)

    async def drain(self: Service) -> None:
        await together.wait()
        log.append("drained")

    a = noting("a", log, drain=drain)
    b = noting("b", log, a, drain=drain)
    async with runtime_of(a, b, noting("c", log, b)):
        log.clear()
    assert log[:2] == ["drained", "drained"]
    assert log[2:] == ["-c", "-b", "-a"]


@in_virtual_time
async def test_drains_that_fail_or_hang_do_not_keep_the_stop() -> None:
    """They are named in the error, and everything is stopped."""
    log: list[str] = []
    runtime = runtime_of(noting("a", log, drain=hang), noting("b", log, drain=failing(OSError("drain"))), drain_timeout=0.01)
    with pytest.raises(RuntimeStopFailed) as caught:
        async with runtime:
            pass
    found = dict(caught.value.failures)
    assert isinstance(found["a"], ServiceHung)
    assert (found["a"].phase, str(found["b"])) == ("drain", "drain")
    assert sorted(log) == ["+a", "+b", "-a", "-b"]
    assert leftover() == []


@pytest.mark.asyncio
async def test_after_a_crash_nobody_drains() -> None:
    """There is no time to lose."""
    log: list[str] = []

    class Crashes(Service):
        async def run(self) -> None:
            raise OSError("gone")

    async def drain(self: Service) -> None:
        log.append("drained")

    with pytest.raises(Exception, match="crashed: OSError: gone"):
        async with runtime_of(noting("a", log, drain=drain), Crashes):
            await hang(Crashes())
    assert log == ["+a", "-a"]


@pytest.mark.asyncio
async def test_one_service_is_up() -> None:
    """Between its start and its stop, by class or name, while others still start; a service that there is not is never up."""
    gate = asyncio.Event()

    class Early(Service):
        pass

    class Slow(Service):
        async def start(self) -> None:
            await gate.wait()

    runtime = Runtime(services=[Early, Slow])
    assert not runtime.is_up(Early)
    starting = asyncio.create_task(runtime.start())
    await runtime.ready(Early)
    assert [runtime.is_up(one) for one in (Early, "early", Slow, Database, "no such")] == [True, True, False, False, False]
    gate.set()
    await starting
    assert runtime.is_up(Slow)
    await runtime.stop()
    assert not runtime.is_up(Early)
