"""The base of every service."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from roost.errors import RuntimeBusy
from roost.runtime._crashes import OnCrash

if TYPE_CHECKING:
    from roost.runtime._plugin import AnyRuntime
    from roost.runtime._preparer import Preparer

T = TypeVar("T")

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class TaskScope(Protocol):
    """Who starts tasks of a service, and ends them with it."""

    def create_task(self, coroutine: Coroutine[Any, Any, T], /, *, name: str) -> asyncio.Task[T]:
        """Start a task."""


class Service:
    """Something with a lifetime that a runtime manages.

    The constructor's annotations are its dependencies: another service class, ``Sequence[T]`` (all of a type), ``T | None``
    (optional), `Runtime`, `Plugin` (its own), a settings dataclass. It does no I/O. A service then has one body of its choice:

    - `start` and `stop`;
    - beside these, ``async def run(self)``: a task that is cancelled at the stop, and whose crash is dealt with as `on_crash` says;
    - ``lifespan(self)``, an async context manager that is entered and left in one task.

    It may also have ``async def drain(self)``, awaited before anything is stopped, to finish what it has in hand; and
    ``async def health(self)``, which raises when something is wrong, and may return details.

    Attributes:
        service_name: Its name, unique in a runtime; by default the class's name in kebab case.
        service_type: What kind of service it is, for ``runtime.get_services_by_type("…")``.
        priority: For orders that heed it; None takes the plugin's.
        start_timeout: Seconds that its start may take; None leaves it to the runtime's total.
        stop_timeout: Seconds that its stop may take; None leaves it to the runtime's total.
        health_timeout: Seconds in which `health` must answer.
        on_crash: What is done when one of its tasks ends with an error: ``"stop"`` the runtime, ``"degrade"``: go on without the
            service, or a `Restart`.
        prepared_by: Makes the `Preparer` that is awaited before the other services of its plugin start.
    """

    service_name: str = "service"
    service_type: str | None = None
    priority: ClassVar[int | None] = None
    start_timeout: ClassVar[float | None] = None
    stop_timeout: ClassVar[float | None] = None
    health_timeout: ClassVar[float] = 5.0
    on_crash: ClassVar[OnCrash] = "stop"
    prepared_by: ClassVar[Callable[[AnyRuntime], Preparer] | None] = None

    def __init_subclass__(cls) -> None:
        """Name the service after its class, unless it names itself."""
        super().__init_subclass__()
        if "service_name" not in cls.__dict__:
            cls.service_name = kebab_case(cls.__name__)

    _body: TaskScope | None = None

    async def start(self) -> None:
        """Do what must be done before dependents start.

        Raises:
            Exception: The runtime's start fails with it.
        """

    async def stop(self) -> None:
        """Give back what `start` took; called once for each start that succeeded.

        Raises:
            Exception: Reported; the other services are stopped all the same.
        """

    def create_task(self, coroutine: Coroutine[Any, Any, T], *, name: str = "task") -> asyncio.Task[T]:
        """Start a task that belongs to the service: from its start on, and cancelled at its stop at the latest.

        Args:
            coroutine: What to run; an error that it ends with is a crash of the service.
            name: For stacks and logs.

        Raises:
            RuntimeBusy: The service is not started by a runtime, or is stopping.
        """
        if self._body is None:
            coroutine.close()
            raise RuntimeBusy(wish=f"start a task of {self.service_name}, which no runtime has started")
        return self._body.create_task(coroutine, name=name)


def kebab_case(name: str) -> str:
    """Return ``"MailSender"`` as ``"mail-sender"``."""
    return _WORD.sub("-", name).lower()
