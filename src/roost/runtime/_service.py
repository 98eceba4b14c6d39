"""The base of every service."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from roost.runtime._plugin import AnyRuntime
    from roost.runtime._preparer import Preparer

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class Service:
    """Something with a lifetime that a runtime manages.

    The constructor's annotations are its dependencies: another service class, ``Sequence[T]`` (all of a type), ``T | None``
    (optional), `Runtime`, `Plugin` (its own), a settings dataclass. It does no I/O. A service then has one body of its choice:

    - `start` and `stop`;
    - beside these, ``async def run(self)``: a task that is cancelled at the stop, and whose crash stops the runtime;
    - ``lifespan(self)``, an async context manager that is entered and left in one task.

    Attributes:
        service_name: Its name, unique in a runtime; by default the class's name in kebab case.
        service_type: What kind of service it is, for ``runtime.get_services_by_type("…")``.
        priority: For orders that heed it; None takes the plugin's.
        start_timeout: Seconds that its start may take; None leaves it to the runtime's total.
        stop_timeout: Seconds that its stop may take; None leaves it to the runtime's total.
        prepared_by: Makes the `Preparer` that is awaited before the other services of its plugin start.
    """

    service_name: ClassVar[str] = "service"
    service_type: ClassVar[str | None] = None
    priority: ClassVar[int | None] = None
    start_timeout: ClassVar[float | None] = None
    stop_timeout: ClassVar[float | None] = None
    prepared_by: ClassVar[Callable[[AnyRuntime], Preparer] | None] = None

    def __init_subclass__(cls) -> None:
        """Name the service after its class, unless it names itself."""
        super().__init_subclass__()
        if "service_name" not in cls.__dict__:
            cls.service_name = kebab_case(cls.__name__)

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


def kebab_case(name: str) -> str:
    """Return ``"MailSender"`` as ``"mail-sender"``."""
    return _WORD.sub("-", name).lower()
