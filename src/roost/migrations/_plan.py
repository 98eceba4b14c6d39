"""What a plan is made of: the steps that are applied, those that are to be run, and where a plugin stands. Plain data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from roost.migrations._fingerprint import ChainHashes
from roost.migrations._versions import UNVERSIONED, compare_versions, parse_version

if TYPE_CHECKING:
    from roost.migrations._repeatable import PlannedRepeatable, RepeatedStep
    from roost.migrations._step import MigrationStep


LEGACY_STEP = "run-plugin-migrations"
"""The id of a plugin's old migration function, which stands in no order with its steps."""

SCHEMA_STEP = "declared-schema"
"""The id under which a plugin's declared schema is in the ledger, among its repeatable steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedStep:
    """A row of the ledger, in applied order.

    Attributes:
        step: The step's id.
        version: The version it was applied for.
        state: ``"done"``, ``"intent"``, ``"escaped"`` or ``"undoing"``.
        fingerprint: Of the body that ran.
        chain: Hash over this step and all before it.
        breaking: Whether code from before the step may run beside it.
        requires: The steps of other plugins it needs, each ``"plugin:step-id"``.
        run: The number of the run that applied it.
        statements_done: How many statements of a step in doubt outside a transaction were seen to end.
        normal_form: Hash of its SQL without layout and comments; None for functions, and for steps of an older roost.
        down_sql: The stored way back, where it is SQL; read only for a rollback.
        shape_before: Hash of what the plugin's schema held before the run whose first step this is; read only for a rollback.
    """

    step: str
    version: str
    state: str
    fingerprint: str
    chain: str
    breaking: bool
    requires: tuple[str, ...]
    run: int
    statements_done: int = 0
    normal_form: str | None = None
    down_sql: str | None = None
    shape_before: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginState:
    """Where a plugin stands in the ledger.

    Attributes:
        version: The version that is complete.
        applied: Its applied steps in applied order, as far as they were read.
        head: The hash of its head. It changes with all that is done to the plugin, so that a plan made on another one is refused.
        unread: How many applied steps come before those in `applied` and were not read, because they are as the code declares them.
        last_chain: The chain's hash after the last applied step, where that one may not be in `applied`.
        repeated: Its repeatable steps that have run.
    """

    version: str | None
    applied: tuple[AppliedStep, ...]
    head: str | None = None
    repeated: tuple[RepeatedStep, ...] = ()
    unread: int = 0
    last_chain: str | None = None

    @property
    def chain(self) -> str:
        """The chain's hash after the last applied step; empty without any."""
        if self.last_chain is not None:
            return self.last_chain
        return self.applied[-1].chain if self.applied else ""

    def without(self, step: str) -> PluginState:
        """Return the same without one step."""
        if step not in [row.step for row in self.applied]:
            return self
        return replace(self, applied=tuple(row for row in self.applied if row.step != step))

    @property
    def is_undoing(self) -> bool:
        """Whether a way back outside a transaction was begun and not seen to end."""
        return any(row.state == "undoing" for row in self.in_doubt)

    @property
    def in_doubt(self) -> list[AppliedStep]:
        """The steps of which it is not known that they are applied and no more: hardly ever any."""
        return [row for row in self.applied if row.state != "done"]

    def without_undone(self) -> PluginState:
        """Return the same as it is once a way back is ended that was begun: every run ends it first."""
        undone = [row for row in self.in_doubt if row.state == "undoing"]
        if not undone:
            return self
        rest = tuple(row for row in self.applied if row.state != "undoing")
        versions = [row.version for row in rest if compare_versions(row.version, undone[0].version) < 0]
        return replace(self, applied=rest, version=max(versions, key=parse_version, default=None))

    def only(self, step: str) -> PluginState:
        """Return the same with nothing but one step."""
        return replace(self, applied=tuple(row for row in self.applied if row.step == step))


class PlannedStep(NamedTuple):
    """A step to be run; a tuple, because a plan makes thousands and a frozen dataclass takes thrice as long.

    Attributes:
        step: The step.
        version_after: The plugin's version once it is applied: the step's own after the last step of that version.
        hashes: Those of the chain that the step is in.
        place: Its place in that chain, counted from 1.
        begun: The ledger's row of a step outside a transaction that was begun and not seen to end; None for all others.
    """

    step: MigrationStep
    version_after: str | None
    hashes: ChainHashes
    place: int
    begun: AppliedStep | None = None

    @property
    def version(self) -> str:
        """The version it belongs to."""
        return self.step.version or UNVERSIONED

    @property
    def chain(self) -> str:
        """The chain's hash once it is applied."""
        return self.hashes.after(self.place)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be run for one plugin.

    Attributes:
        plugin: The plugin.
        from_version: Where it stands; None when nothing is applied.
        target: Where it will stand; None for a plugin without any step.
        steps: What is to be run, in order.
        chain: The chain's hash before the first step.
        ahead: Steps of a newer release that the database holds; nothing is run then.
        changed: Applied steps whose SQL differs from the declared one in more than its layout and comments.
        changed_functions: The same for Python functions, which is only a notice.
        notices: What the policy ``allow`` let pass.
        repeatable: Repeatable steps that are to be run after all others, in order.
        repeatable_declared: The id and the fingerprint of each repeatable step that is declared.
        repeatable_left: Repeatable steps that have run once and are no longer declared.
        is_undoing: Whether a way back outside a transaction was begun and not seen to end: it is ended first, and then planned anew.
    """

    plugin: str
    from_version: str | None
    target: str | None
    steps: tuple[PlannedStep, ...] = ()
    chain: str = ""
    ahead: tuple[str, ...] = ()
    is_ahead: bool = False
    changed: tuple[str, ...] = ()
    changed_functions: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    repeatable: tuple[PlannedRepeatable, ...] = ()
    repeatable_declared: tuple[tuple[str, str], ...] = ()
    repeatable_left: tuple[str, ...] = ()
    is_undoing: bool = False

    @property
    def reaches(self) -> str | None:
        """The plugin's version once all versioned steps are applied."""
        reached = self.steps[-1].version_after if self.steps else self.from_version
        return self.target if self.target is not None and compare_versions(reached, self.target) < 0 else reached
