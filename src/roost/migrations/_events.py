"""What migrations say while they run: events in pairs, for logs, progress bars, metrics and traces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from roost.errors import Blocker
    from roost.migrations._lock_holding import MigrationLockHolder
    from roost.migrations._records import Direction
    from roost.migrations._rehearsal import RehearsalOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """An orchestrator begins to look what is to do, or to roll back. `services` are the names in their order."""

    services: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """The run is over. `steps` were taken in `duration` seconds; `error` is set when it failed."""

    steps: int
    duration: float
    error: BaseException | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LockWaitStarted:
    """Another run has its turn; `holder` is its application name, which says plugin and step, where the server tells it."""

    holder: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LockHolderSeen:
    """Who has the turn while this run waits, looked up about once a second; told when it is another, or does something else, than before.

    It is looked up only where somebody listens to this event.
    """

    holder: MigrationLockHolder


@dataclass(frozen=True, slots=True, kw_only=True)
class LockWaitFinished:
    """The wait ended after `duration` seconds: with the lock, with nothing left to do, or with `error`."""

    acquired: bool
    duration: float
    error: BaseException | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceMigrationStarted:
    """A migration service's turn begins."""

    service: str
    plugin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceMigrationFinished:
    """A migration service's turn ended after `steps` steps and `duration` seconds, with its plugin at `version`.

    `error` is set when it failed.
    """

    service: str
    plugin: str
    version: str | None
    steps: int
    duration: float
    error: BaseException | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted:
    """A step begins: the `index`-th of `total` steps of its service, counted from 1; if `transactional`, it is done whole or not at all."""

    plugin: str
    step: str
    description: str
    version: str
    direction: Direction
    index: int
    total: int
    transactional: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFinished:
    """A step ended after `duration` seconds and `attempts` tries; `error` is set when it failed."""

    plugin: str
    step: str
    version: str
    direction: Direction
    index: int
    total: int
    duration: float
    attempts: int
    error: BaseException | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRetried:
    """An attempt at a step failed with an error that may pass, and the step is tried again after a wait."""

    plugin: str
    step: str
    attempt: int
    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class StepBlocked:
    """A step does not get a lock that `blockers` hold; told again when those change."""

    plugin: str
    step: str
    blockers: tuple[Blocker, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepProgressed:
    """A step outside a transaction builds an index: `done` of `total` in a `phase`, in the server's words; `total` 0 is not known."""

    plugin: str
    step: str
    phase: str
    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSkipped:
    """A rollback left the effect of a step in place, because the step has no `down`; `reason` says why, where the code does."""

    plugin: str
    step: str
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaDiffers:
    """A rollback ended where run number `run` began, and the plugin's own `schema` holds something else than it did then.

    A way back takes back less than its step did, or more, or somebody else has changed the schema since. Data is not compared.
    """

    plugin: str
    schema: str
    run: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionReopened:
    """The run's connection broke and a new one was made; the lock is taken and the ledger read again."""

    attempt: int
    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOutcomeLearned:
    """The connection broke before the server had answered for a step; the ledger has now said whether it is applied."""

    plugin: str
    step: str
    is_applied: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseAheadNoticed:
    """The database holds `steps` of a newer release that this code can live with; nothing of the plugin is run."""

    plugin: str
    steps: tuple[str, ...]
    version: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepsChanged:
    """The bodies of applied steps differ from the ones that were run: reported, never run again. `functions` are those in Python."""

    plugin: str
    steps: tuple[str, ...]
    functions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyNoticed:
    """The policy ``allow`` let something pass that ``strict`` refuses; `notice` says what."""

    plugin: str
    notice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatableStepsLeft:
    """Repeatable `steps` have run once and are no longer declared: what they made is still there, and nobody keeps it up to date."""

    plugin: str
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalStarted:
    """A rehearsal of the pending steps begins. `services` are the names in their order."""

    services: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalFinished:
    """Everything was rolled back after `duration` seconds and `steps` rehearsed steps; `error` is set where it could not go on."""

    steps: int
    duration: float
    error: BaseException | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRehearsalStarted:
    """A step is about to be rehearsed: the `index`-th of `total` steps of its service, counted from 1."""

    plugin: str
    step: str
    description: str
    version: str
    index: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRehearsalFinished:
    """A step was rehearsed, failed, or could not be rehearsed for a `reason`; `error` is set when it failed, or the rehearsal did."""

    plugin: str
    step: str
    version: str
    index: int
    total: int
    outcome: RehearsalOutcome
    reason: str | None
    duration: float
    error: BaseException | None
