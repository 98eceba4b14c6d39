"""What each migration service of a runtime did in this process. Kept per runtime, nothing is process-global."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from roost.runtime import Runtime

if TYPE_CHECKING:
    from roost.migrations._records import MigrationState


@dataclass(eq=False, slots=True)
class MigrationStates:
    """The state and last error of each service by name, and how many runs are in progress."""

    service_name = "migration-states"
    service_type = None

    states: dict[str, MigrationState] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    runs: int = 0

    @classmethod
    def on_demand(cls, _runtime: Runtime) -> Self:
        """Let the runtime keep one of these, so that every orchestrator on it tells the same."""
        return cls()

    def set(self, service: str, state: MigrationState, *, error: BaseException | None = None) -> None:
        """Note where a service stands."""
        self.states[service] = state
        if error is None:
            self.errors.pop(service, None)
        else:
            self.errors[service] = str(error)


def states_of(runtime: object) -> MigrationStates:
    """Return a runtime's states; a stand-in for a runtime, as tests use them, gets new ones."""
    return runtime.get_service(MigrationStates) if isinstance(runtime, Runtime) else MigrationStates()
