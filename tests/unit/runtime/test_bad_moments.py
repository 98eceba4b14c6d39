"""What comes at a bad moment: late obedience, a closing loop, a cancellation at each turn, a crash where nobody is ready for one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import pytest

from roost import Plugin, Runtime, Service
from roost.errors import (
    DependencyCycle,
    RuntimeBusy,
    RuntimeStartFailed,
    RuntimeStopFailed,
    ServiceHung,
    ServiceNotFound,
    ServiceStartFailed,
    ServiceTaskCrashed,
    StartNotAsync,
)
from roost.runtime import Restart, RuntimeStartFinished, RuntimeStopStarted, ServiceCrashed, ServiceStartFinished
from roost.testing import run_virtual
from tests.plugins.services import failing, hang, leftover, noting, runtime_of


def sleeping(seconds: float, log: list[str] | None = None, said: str = "") -> Callable[[Service], Awaitable[None]]:
    """Return a method that sleeps, and then notes something."""

    async def sleep(_self: Service) -> None:
        await asyncio.sleep(seconds)
        if log is not None:
            log.append(said)

    return sleep


def test_a_stop_that_obeys_late_does_not_stop_others() -> None:
    """It was given up, and its end changes nothing: what is needed is stopped after what needs it, and every deadline holds."""
    log: list[str] = []

    async def late(_self: Service) -> None:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            await asyncio.sleep(2)

    async def main() -> tuple[list[str], float]:
        a = noting("a", log)
        b = noting("b", log, a, stop=hang, stop_timeout=5)
        runtime = runtime_of(a, b, noting("c", log, b, stop=late, stop_timeout=0.5))
        await runtime.start()
        with pytest.raises(RuntimeStopFailed) as caught:
            await runtime.stop()
        assert [unit.state for unit in runtime.status()] == ["stopped", "abandoned", "abandoned"]
        return [name for name, _ in caught.value.failures], asyncio.get_running_loop().time()

    failed, now = run_virtual(main())
    assert (failed, log) == (["c", "b"], ["+a", "+b", "+c", "-a"])
    assert now == pytest.approx(0.5 + 1 + 5)


def in_an_anyio_scope(runtime: Runtime) -> Awaitable[None]:
    async def live() -> None:
        with anyio.move_on_after(0.01):
            async with runtime:
                await anyio.sleep(10)

    return live()


def cancelled_twice(runtime: Runtime) -> Awaitable[None]:
    async def block() -> None:
        async with runtime:
            await asyncio.sleep(10)

    async def live() -> None:
        task = asyncio.create_task(block())
        await runtime.ready("b")
        await asyncio.wait({task}, timeout=0)
        for _ in range(2):
            task.cancel()
            await asyncio.wait({task}, timeout=0)
        await asyncio.wait({task})

    return live()


def left_running(runtime: Runtime) -> Awaitable[None]:
    return runtime.start()


def left_stopping(runtime: Runtime) -> Awaitable[None]:
    async def live() -> None:
        await runtime.start()
        task = asyncio.create_task(runtime.stop())
        await asyncio.wait({task}, timeout=0)

    return live()


@pytest.mark.parametrize("way", [in_an_anyio_scope, cancelled_twice, left_running, left_stopping])
def test_everything_is_stopped_however_the_block_or_the_loop_ends(way: Callable[[Runtime], Awaitable[None]]) -> None:
    """An anyio scope, a second cancellation, and a loop that closes before or while it stops break no stop off."""
    log: list[str] = []

    async def main() -> None:
        a = noting("a", log, stop=sleeping(0.02, log, "-a"))
        await way(runtime_of(a, noting("b", log, a, stop=sleeping(0.02, log, "-b"))))

    asyncio.run(main())
    assert log[:2] == ["+a", "+b"]
    # A closing loop cancels the stop that is in hand, and that service has then ended.
    assert log[2:] in (["-b", "-a"], ["-a"])


@pytest.mark.parametrize("method", ["stop", "drain"])
def test_an_exit_of_the_process_stops_the_others_first(method: str) -> None:
    """SystemExit in a stop or a drain ends the loop; the services that are left are stopped as it closes."""
    log: list[str] = []

    async def main() -> None:
        a = noting("a", log)
        runtime = runtime_of(a, noting("b", log, a, **{method: failing(SystemExit(3))}))
        await runtime.start()
        await runtime.stop()

    with pytest.raises(SystemExit):
        asyncio.run(main())
    assert log[-1] == "-a"


@pytest.mark.parametrize("second", ["stop", "cancel"])
def test_a_second_wish_while_a_failed_start_is_undone(second: str) -> None:
    """A start in progress that ends well after its cancellation is stopped all the same, and the first error stays the one."""
    log: list[str] = []

    async def stubborn(_self: Service) -> None:
        try:
            await asyncio.sleep(50)
        except asyncio.CancelledError:
            await asyncio.sleep(0.5)
        log.append("+y")

    async def bad(_self: Service) -> None:
        await asyncio.sleep(1)
        raise OSError("no")

    async def main() -> None:
        runtime = runtime_of(noting("bad", log, start=bad), noting("y", log, start=stubborn))
        start = asyncio.create_task(runtime.start())
        await asyncio.sleep(1.2)
        if second == "stop":
            await runtime.stop()
            with pytest.raises(ServiceStartFailed, match="no"):
                await start
        else:
            start.cancel()
            await asyncio.wait({start})
            assert start.cancelled()
        assert leftover() == []

    run_virtual(main())
    assert log == ["+y", "-y"]


async def cancelled_at(turn: int, call: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
    """Await a call in a task that is cancelled after so many turns of the loop, and return the task."""

    async def calling() -> None:
        await call()

    task = asyncio.create_task(calling())
    for _ in range(turn):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    return task


def test_a_cancellation_at_each_turn_of_a_start() -> None:
    """Either the start has returned, and the runtime is up, or it was cancelled, and everything is stopped."""

    async def main(turn: int) -> bool:
        log: list[str] = []
        a = noting("a", log, start=sleeping(0, log, "+a"))
        runtime = runtime_of(a, noting("b", log, a))
        task = await cancelled_at(turn, runtime.start)
        assert runtime.is_ready is not task.cancelled()
        assert (log == ["+a", "+b"]) if runtime.is_ready else (log.count("+a"), log.count("+b")) == (log.count("-a"), log.count("-b"))
        await runtime.stop()
        assert leftover() == []
        return task.cancelled()

    outcomes = [run_virtual(main(turn)) for turn in range(30)]
    assert outcomes == sorted(outcomes, reverse=True)
    assert set(outcomes) == {True, False}


def test_a_cancellation_at_each_turn_of_a_load() -> None:
    """Either the plugin is there and up, or it is gone and its services are stopped; it can be loaded again."""

    async def main(turn: int) -> bool:
        log: list[str] = []
        a = noting("a", log, start=sleeping(0, log, "+a"))
        plugin = Plugin("p", services=[a, noting("b", log, a)])
        async with Runtime() as runtime:
            task = await cancelled_at(turn, partial(runtime.load_plugin, plugin))
            if task.cancelled():
                assert (runtime.plugins, runtime.status()) == ((), ())
                assert sorted(log) == sorted(f"{sign}{line[1:]}" for line in log if line[0] == "+" for sign in "+-")
                await runtime.load_plugin(plugin)
            assert [unit.state for unit in runtime.status()] == ["running"] * 3
        assert leftover() == []
        return task.cancelled()

    outcomes = [run_virtual(main(turn)) for turn in range(30)]
    assert set(outcomes) == {True, False}


def test_a_cancellation_at_each_turn_of_an_unload() -> None:
    """The plugin is out, whatever came meanwhile, also under an anyio scope, whose cancellation stays in it."""

    async def main(turn: int, *, by_scope: bool) -> None:
        log: list[str] = []
        async with Runtime(plugins=[Plugin("p", services=[noting("a", log, stop=sleeping(0, log, "-a"))])]) as runtime:
            if by_scope:
                with anyio.CancelScope() as scope:
                    asyncio.get_running_loop().call_later(0, scope.cancel)
                    await runtime.unload_plugin("p")
            else:
                await cancelled_at(turn, partial(runtime.unload_plugin, "p"))
            if log[-1] == "+a":  # it was cancelled before it began
                await runtime.unload_plugin("p")
            assert (log, runtime.plugins) == (["+a", "-a"], ())
        assert leftover() == []

    for turn in range(15):
        run_virtual(main(turn, by_scope=False))
    run_virtual(main(0, by_scope=True))


def test_a_crash_of_what_failed_to_start_is_nobodys() -> None:
    """Its task ends with an error when it is cancelled: that is told with the failed start, and restarts or stops nothing."""

    async def consume() -> None:
        try:
            await asyncio.sleep(1e6)
        except asyncio.CancelledError:
            raise ConnectionError("closed") from None

    async def start(self: Service) -> None:
        self.create_task(consume())
        await asyncio.sleep(1)
        raise OSError("not yet")

    async def main() -> None:
        restarting = noting("x", [], start=start, on_crash=Restart(delay=1))
        runtime = runtime_of(restarting)
        with pytest.raises(RuntimeStartFailed) as caught:
            await runtime.start()
        assert [str(error.__cause__ or error) for error in caught.value.exceptions] == ["not yet", "closed"]
        await asyncio.sleep(10)
        assert (runtime.status()[0].state, leftover()) == ("failed", [])
        async with Runtime() as other:
            with pytest.raises(RuntimeStartFailed):
                await other.load_plugin(Plugin("p", services=[noting("y", [], start=start)]))
            await asyncio.sleep(10)
            assert other.is_ready

    run_virtual(main())


def test_a_crash_of_what_is_cancelled_while_it_starts_is_no_crash() -> None:
    """Another service's failure is the cause; what this one's tasks end with is told beside it, and the runtime has not crashed."""

    async def consume() -> None:
        try:
            await asyncio.sleep(1e6)
        except asyncio.CancelledError:
            raise ConnectionError("closed") from None

    async def start(self: Service) -> None:
        self.create_task(consume())
        await asyncio.sleep(100)

    async def bad(_self: Service) -> None:
        await asyncio.sleep(1)
        raise OSError("no")

    async def main() -> None:
        runtime = runtime_of(noting("bad", [], start=bad), noting("x", [], start=start))
        with pytest.raises(RuntimeStartFailed) as caught:
            await runtime.start()
        assert [str(error.__cause__ or error) for error in caught.value.exceptions] == ["no", "closed"]
        await runtime.wait()

    run_virtual(main())


def test_waiting_under_a_cancelled_anyio_scope_is_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """It cancels again at every turn of the loop, which a stop that takes a while does not answer by turning with it."""
    waits: list[object] = []
    wait = asyncio.wait

    async def counted(*args: Any, **options: Any) -> Any:
        waits.append(args)
        return await wait(*args, **options)

    async def stop(_self: Service) -> None:
        for _ in range(200):
            await asyncio.sleep(0)

    async def main() -> None:
        with anyio.CancelScope() as scope:
            async with runtime_of(noting("a", [], stop=stop)):
                scope.cancel()
                await asyncio.sleep(10)

    monkeypatch.setattr(asyncio, "wait", counted)
    run_virtual(main())
    assert len(waits) < 20


def test_a_crash_in_the_start_of_a_restart_is_the_next_crash() -> None:
    """A task of its new start that crashes before that start is over is not forgotten."""
    outcomes: list[str] = []

    class Fragile(Service):
        on_crash = Restart(at_most=2, per=1000.0, delay=1.0)

        async def start(self) -> None:
            self.create_task(self.work())
            await asyncio.sleep(1)

        async def work(self) -> None:
            await asyncio.sleep(0.5)
            raise OSError("boom")

    async def main() -> None:
        runtime = runtime_of(Fragile)
        runtime.events.subscribe(lambda event: outcomes.append(event.outcome), ServiceCrashed)
        with pytest.raises(ServiceTaskCrashed, match="after 2 restarts"):
            async with runtime:
                await asyncio.sleep(100)

    run_virtual(main())
    assert outcomes == ["restart", "restart", "stop"]


@pytest.mark.parametrize("phase", ["start", "stop"])
def test_a_restart_that_hangs_has_the_runtimes_time(phase: str) -> None:
    """Without a time of its own a service's restart has the runtime's total; that it hung is the next crash."""

    class Worker(Service):
        on_crash = Restart(at_most=1, delay=0.0, per=1000.0)
        starts = 0

        async def start(self) -> None:
            Worker.starts += 1
            if phase == "start" and Worker.starts > 1:
                await hang(self)
            self.create_task(self.work())

        async def stop(self) -> None:
            if phase == "stop" and Worker.starts == 1:
                Worker.starts += 1
                await hang(self)

        async def work(self) -> None:
            await asyncio.sleep(1)
            raise OSError("work")

    async def main() -> float:
        with pytest.raises(ServiceTaskCrashed) as caught:
            async with runtime_of(Worker, start_timeout=7.0, stop_timeout=7.0):
                await asyncio.sleep(1000)
        assert isinstance(caught.value.__cause__, ServiceHung)
        assert caught.value.__cause__.phase == phase
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == pytest.approx(8.0, abs=1.1)


def test_a_start_that_was_cancelled_from_inside_is_named() -> None:
    """What it awaited was cancelled by somebody: the service is to blame, and who waits for it is not cancelled."""

    async def start(_self: Service) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    async def main() -> None:
        runtime = runtime_of(noting("x", [], start=start))
        with pytest.raises(ServiceStartFailed, match=r"x failed to start.*cancelled from inside"):
            await runtime.start()
        with pytest.raises(RuntimeError, match="cancelled from inside"):
            await runtime.ready("x")

        class Runs(Service):
            async def run(self) -> None:
                await start(self)

        with pytest.raises(ServiceTaskCrashed, match="cancelled from inside"):
            async with runtime_of(Runs):
                await asyncio.sleep(10)

    run_virtual(main())


def test_starts_that_can_not_be_called_or_are_not_awaited() -> None:
    """A start that wants an argument fails by name in every wave; one that returns a coroutine has forgotten to await it."""

    async def wants(_self: Service, _more: int) -> None:
        pass

    async def forgets(self: Service) -> Any:
        return hang(self)

    async def main() -> None:
        a = noting("a", [])
        for runtime in (runtime_of(noting("x", [], start=wants)), runtime_of(a, noting("x", [], a, start=wants))):
            with pytest.raises(ServiceStartFailed, match=r"x failed to start: TypeError"):
                await runtime.start()
        with pytest.raises(ServiceStartFailed) as caught:
            await runtime_of(noting("x", [], start=forgets)).start()
        assert isinstance(caught.value.__cause__, StartNotAsync)

    run_virtual(main())


def test_listeners_and_errors_that_misbehave_in_the_worst_place() -> None:
    """A listener that raises CancelledError, and an error whose text can't be made, keep no start or stop from its end."""

    class Mute(Exception):  # noqa: N818 -- what it is
        def __str__(self) -> str:
            raise RuntimeError("no text")

    def cancels(_event: object) -> None:
        raise asyncio.CancelledError

    async def main() -> None:
        reported: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context["message"]))
        log: list[str] = []
        runtime = runtime_of(noting("a", log))
        runtime.events.subscribe(cancels, ServiceStartFinished, RuntimeStartFinished, RuntimeStopStarted)
        async with runtime:
            pass
        assert (log, len(reported)) == (["+a", "-a"], 3)
        with pytest.raises(ServiceStartFailed, match="failed to start: Mute"):
            await runtime_of(noting("b", [], start=failing(Mute()))).start()

    run_virtual(main())


def test_equal_deadlines() -> None:
    """Services with one and the same deadline, one of which has started, confuse nobody."""

    async def main() -> str:
        quick = [noting(f"q{number}", [], start_timeout=1.0, start=sleeping(0.5)) for number in range(3)]
        late = [noting(f"l{number}", [], start_timeout=1.0, start=sleeping(0.9)) for number in range(3)]
        with pytest.raises(ServiceHung) as caught:
            await runtime_of(*quick, *late, noting("stuck", [], quick[0], start=hang, start_timeout=1.0)).start()
        assert asyncio.get_running_loop().time() == pytest.approx(1.5)
        return caught.value.service

    assert run_virtual(main()) == "stuck"


def test_a_crash_that_nobody_was_inside_for_yet() -> None:
    """It is raised at the entrance, and not as a cancellation, also where the task carries one from before."""

    class Early(Service):
        async def run(self) -> None:
            raise OSError("at once")

    async def main() -> None:
        with pytest.raises(ServiceTaskCrashed, match="at once"):
            async with runtime_of(Early):
                pass
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

        class Later(Service):
            async def run(self) -> None:
                await asyncio.sleep(1)
                raise OSError("later")

        task.cancel()
        with pytest.raises(ServiceTaskCrashed, match="later"):
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                async with runtime_of(Later):
                    await asyncio.sleep(10)
        assert task.uncancel() == 0

    run_virtual(main())


def test_all_who_are_inside_are_cancelled_by_a_crash() -> None:
    """A runtime that two tasks have entered ends both blocks, and both get the crash."""

    class Later(Service):
        async def run(self) -> None:
            await asyncio.sleep(1)
            raise OSError("later")

    async def main() -> float:
        runtime = runtime_of(Later)

        async def block() -> None:
            async with runtime:
                await asyncio.sleep(1000)

        ends = await asyncio.gather(block(), block(), return_exceptions=True)
        assert [type(end) for end in ends] == [ServiceTaskCrashed, ServiceTaskCrashed]
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == pytest.approx(1.0)


def test_a_circle_by_way_of_plugins_is_refused_before_anything_starts() -> None:
    """A plugin that depends on another one whose service needs one of its own."""
    log: list[str] = []
    one = noting("one", log)
    plugins = [Plugin("a", services=[one], dependencies=["b"]), Plugin("b", services=[noting("two", log, one)])]

    async def main() -> None:
        with pytest.raises(DependencyCycle, match=r"plugin b|service one"):
            await Runtime(plugins=plugins, services=[noting("free", log)]).start()

    run_virtual(main())
    assert log == []


class Recorder:
    """A preparer."""

    def __init__(self, name: str, log: list[str]) -> None:
        self._name, self._log = name, log

    async def prepare(self, _plugins: object, /) -> None:
        self._log.append(self._name)


def test_preparers_of_one_name_are_two() -> None:
    """Each is awaited, whatever its maker is called."""
    log: list[str] = []

    def maker(name: str) -> Callable[[Runtime], Recorder]:
        def prepare(_runtime: Runtime) -> Recorder:
            return Recorder(name, log)

        return prepare

    async def main() -> None:
        made = [noting(name, [], prepared_by=staticmethod(maker(name))) for name in ("p", "q")]
        async with Runtime(plugins=[Plugin("p", services=[made[0]]), Plugin("q", services=[made[1]])]):
            pass

    run_virtual(main())
    assert sorted(log) == ["p", "q"]


def test_a_preparer_that_can_not_be_made_leaves_nothing_of_a_late_plugin() -> None:
    """The load is undone, and can be tried again."""

    def broken(_runtime: Runtime) -> Recorder:
        raise LookupError("no preparer")

    async def main() -> None:
        async with Runtime() as runtime:
            for _ in range(2):
                with pytest.raises(LookupError, match="no preparer"):
                    await runtime.load_plugin(Plugin("p", services=[noting("a", [], prepared_by=staticmethod(broken))]))
                assert (runtime.plugins, runtime.status(), runtime.get_all_services()) == ((), (), [])

    run_virtual(main())


def test_who_would_wait_for_himself_is_refused_at_once() -> None:
    """A load in a hook of a load, a stop in a stop or a drain, and an unload by a child of the plugin's own task."""
    refused: list[str] = []

    async def trying(what: Awaitable[None]) -> None:
        try:
            await what
        except RuntimeBusy as error:
            refused.append(error.wish)

    async def main() -> float:
        async def init(runtime: Runtime) -> None:
            await trying(runtime.load_plugin(Plugin("other")))

        class Stops(Service):
            def __init__(self, runtime: Runtime) -> None:
                self.runtime = runtime

            async def run(self) -> None:
                await asyncio.sleep(1)
                await asyncio.gather(trying(self.runtime.unload_plugin("p")))

            async def drain(self) -> None:
                await trying(self.runtime.stop())

            async def stop(self) -> None:
                await trying(self.runtime.stop())

        async with Runtime() as runtime:
            await runtime.load_plugin(Plugin("p", services=[Stops], init=init))
            await asyncio.sleep(2)
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) < 3
    assert [wish.split(" ")[0] for wish in refused] == ["load", "unload", "wait", "wait"]


def test_one_runtime_in_two_loops() -> None:
    """Its lock and its waiters belong to no loop: it lives in one after another."""
    runtime = runtime_of(noting("a", []))

    async def main() -> None:
        async with runtime:
            await asyncio.gather(*(runtime.load_plugin(Plugin(name)) for name in "pqr"))
            for name in "pqr":
                await runtime.unload_plugin(name)

    for _ in range(2):
        asyncio.run(main())


def test_what_is_left_to_look_at() -> None:
    """After a crash the service's last error is told until the next start; a stop that failed is told by each wait."""

    class Crashes(Service):
        async def run(self) -> None:
            await asyncio.sleep(1)
            raise OSError("gone")

    async def main() -> None:
        runtime = runtime_of(Crashes)
        with pytest.raises(ServiceTaskCrashed):
            async with runtime:
                await asyncio.sleep(10)
        (status,) = runtime.status()
        assert status.state == "stopped"
        assert status.error is not None
        assert status.error.startswith("OSError: gone")
        broken = runtime_of(noting("b", [], stop=failing(ValueError("no"))))
        await broken.start()
        for call in (broken.stop, broken.wait, broken.wait):
            with pytest.raises(RuntimeStopFailed):
                await call()
        await broken.start()
        assert broken.status()[0].error is None
        with pytest.raises(RuntimeStopFailed):
            await broken.stop()

    run_virtual(main())


def test_who_waits_for_what_was_abandoned_is_told() -> None:
    """A service that did not obey when another one's start failed is decided, and its waiter is not left waiting."""

    async def deaf(_self: Service) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(50)
        await asyncio.sleep(5)

    async def main() -> None:
        runtime = runtime_of(noting("bad", [], start=failing(OSError("no"))), noting("deaf", [], start=deaf))
        waiting = asyncio.create_task(runtime.ready("deaf"))
        with pytest.raises(RuntimeStartFailed):
            await runtime.start()
        with pytest.raises(ServiceHung):
            await waiting
        await asyncio.sleep(10)

    run_virtual(main())


def test_lookups_follow_what_is_loaded() -> None:
    """A lookup that was made before a load, an unload or a provision on demand is made anew after it."""

    class Clock(Service):
        @classmethod
        def on_demand(cls, _runtime: Runtime) -> Clock:
            return cls()

    class Broken(Service):
        @classmethod
        def on_demand(cls, _runtime: Runtime) -> Broken:
            raise LookupError("no clock")

    async def main() -> None:
        late = noting("late", [], service_type="kind")
        async with runtime_of(noting("a", [], service_type="kind")) as runtime:
            assert len(runtime.get_services_by_type("kind")) == 1
            assert runtime.find_service("late") is None
            await runtime.load_plugin(Plugin("p", services=[late]))
            assert len(runtime.get_services_by_type("kind")) == 2
            assert runtime.get_service(late) is runtime.get_service("late")
            await runtime.unload_plugin("p")
            assert len(runtime.get_services_by_type("kind")) == 1
            for wanted in (late, "late"):
                with pytest.raises(ServiceNotFound):
                    runtime.get_service(wanted)
            assert len(runtime.get_services_by_type(Service)) == 1
            clock = runtime.get_service(Clock)
            assert runtime.get_services_by_type(Service)[-1] is clock
            for _ in range(2):
                with pytest.raises(LookupError, match="no clock"):
                    runtime.get_service(Broken)
            assert not runtime.has_service("broken")

    run_virtual(main())


def test_errors_of_tasks_that_end_while_their_service_stops() -> None:
    """They are failures of that stop; a lifespan that raises while its start is cancelled is told as well."""

    class Host(Service):
        async def start(self) -> None:
            self.create_task(self.flush())

        async def flush(self) -> None:
            await asyncio.sleep(1)
            raise OSError("flush")

        async def stop(self) -> None:
            await asyncio.sleep(2)

    class Held(Service):
        @asynccontextmanager
        async def lifespan(self) -> AsyncIterator[None]:
            try:
                await asyncio.sleep(50)
                yield
            except asyncio.CancelledError:
                raise ValueError("cleaning up") from None

    async def bad(_self: Service) -> None:
        await asyncio.sleep(1)
        raise OSError("no")

    async def main() -> None:
        runtime = runtime_of(Host)
        await runtime.start()
        with pytest.raises(RuntimeStopFailed, match="flush"):
            await runtime.stop()
        with pytest.raises(RuntimeStartFailed) as caught:
            await runtime_of(noting("bad", [], start=bad), Held).start()
        assert [name for name, _ in caught.value.failures] == ["bad", "held"]

    run_virtual(main())


def test_a_health_check_that_does_not_obey_is_answered_for() -> None:
    """Past its time it is unhealthy, and is not waited for; one that was cancelled from inside is unhealthy as well."""

    class Deaf(Service):
        health_timeout = 1.0

        async def health(self) -> None:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(50)
            await asyncio.sleep(5)

    class Cancelled(Service):
        async def health(self) -> None:
            raise asyncio.CancelledError

    async def main() -> list[tuple[bool, str]]:
        async with runtime_of(Deaf, Cancelled) as runtime:
            found = [(one.is_healthy, one.error or "") for one in await runtime.health()]
            assert asyncio.get_running_loop().time() == pytest.approx(1.0)
        await asyncio.sleep(200)
        return found

    assert run_virtual(main()) == [(False, "no answer within 1 s"), (False, "CancelledError")]


def test_a_late_drain_is_ended_before_anything_is_stopped() -> None:
    """It gets a second to clean up, and drains and stops together have the time of the stop."""
    log: list[str] = []

    async def drain(_self: Service) -> None:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            await asyncio.sleep(0.5)
            log.append("drained")

    async def main(**members: Any) -> float:
        log.clear()
        services = noting("a", log, drain=drain), noting("b", log, stop_timeout=100.0, **members)
        runtime = runtime_of(*services, stop_timeout=5.0, drain_timeout=2.0)
        await runtime.start()
        with pytest.raises(RuntimeStopFailed):
            await runtime.stop()
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == pytest.approx(2.5)
    assert log == ["+a", "+b", "drained", "-b", "-a"]
    assert run_virtual(main(stop=hang)) == pytest.approx(5.0)
    assert log == ["+a", "+b", "drained", "-a"]


def test_a_rollback_has_a_fresh_deadline_for_each() -> None:
    """After a start that failed each service has the whole time for its stop, however long the start and the other stops took."""
    log: list[str] = []

    async def main() -> None:
        slow = [noting(name, log, stop=sleeping(2.5, log, f"-{name}")) for name in ("a", "b", "c")]
        bad = noting("bad", log, *slow, start=failing(OSError("no")))
        with pytest.raises(ServiceStartFailed):
            await runtime_of(*slow, bad, stop_timeout=3.0).start()

    run_virtual(main())
    assert log[3:] == ["-c", "-b", "-a"]


@pytest.mark.parametrize("limits", [{"stop_timeout": None}, {"start_timeout": float("nan")}, {"drain_timeout": -1}, {"stop_timeout": "5"}])
def test_times_that_are_none(limits: dict[str, Any]) -> None:
    """Are refused when the runtime is made, and not when it must stop."""
    with pytest.raises(ValueError, match="is a number of seconds"):
        Runtime(**limits)


def test_many_crashes_do_not_overflow() -> None:
    """The wait stays the longest one, after thousands of restarts as well."""

    class Storm(Service):
        on_crash = Restart(at_most=10**9, per=1e12, delay=0.001, max_delay=1.0)
        runs = 0

        async def run(self) -> None:
            Storm.runs += 1
            raise OSError("again")

    async def main() -> None:
        async with runtime_of(Storm) as runtime:
            await asyncio.sleep(2000)
            assert runtime.is_ready

    run_virtual(main())
    assert Storm.runs > 1900
