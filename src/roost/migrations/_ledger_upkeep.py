"""What a person does to a runtime's ledger by hand: repair a step, claim steps, end a frozen run, grant a role."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TYPE_CHECKING, Protocol

from roost.errors import NoDatabase
from roost.migrations._claiming import baseline_at, claim_of_chosen, look_at_claim, look_at_unmark, mark_of, write_claim, write_unmark
from roost.migrations._granting import grant
from roost.migrations._protocol import IMigrationService, KeepsLedger, keeps_ledger
from roost.migrations._reading import reading
from roost.migrations._repairing import check_doubt, index_of, repair
from roost.migrations._unlocking import find_lock_holder, unlock

if TYPE_CHECKING:
    from roost.migrations._adoption import Adoption
    from roost.migrations._config import MigrationConfig
    from roost.migrations._lock_holding import MigrationLockHolder
    from roost.migrations._plan import PluginState
    from roost.migrations._records import ClaimedSteps, MigrationReport, RepairedStep, UnmarkedStep
    from roost.migrations._run import MigrationRun
    from roost.migrations._step import MigrationStep
    from roost.runtime import Runtime


class _Keeper(IMigrationService, KeepsLedger, Protocol):
    """A migration service that keeps the ledger."""


class LedgerUpkeep(ABC):
    """What a person does to a runtime's ledger by hand. `MigrationOrchestrator` offers all of it."""

    _runtime: Runtime
    _config: MigrationConfig

    @abstractmethod
    def get_migration_services(self) -> Sequence[IMigrationService]:
        """Return the runtime's migration services."""

    @abstractmethod
    async def in_a_run(self, service: IMigrationService, operation: Callable[[MigrationRun], Awaitable[None]]) -> MigrationReport:
        """Await an operation under the lock."""

    async def get_lock_holder(self) -> MigrationLockHolder | None:
        """Return who holds the migration lock just now, what it does and for how long; None when the lock is free.

        Raises:
            NoDatabase: The runtime has no database.
            DatabaseError: The database can't be asked.
        """
        return await find_lock_holder(self._runtime)

    async def unlock(self, pid: int) -> bool:
        """End the server process that holds the migration lock, for a run that is frozen; what it had in hand is rolled back.

        Args:
            pid: The server process, as `get_lock_holder` tells it. Nothing is done to one that does not hold the lock.

        Returns:
            Whether it held the lock, and is gone now.

        Raises:
            UnlockDenied: The role that migrates may not end it.
            UnlockFailed: It was told to end and did not.
            NoDatabase: The runtime has no database.
            DatabaseError: The database can't be used.
        """
        return await unlock(self._runtime, pid=pid)

    async def repair(self, plugin: str, step: str, *, done: bool) -> RepairedStep:
        """Write down, under the lock, what a person found out about a step whose outcome nobody knew.

        Args:
            plugin: The plugin's name.
            step: The step's id.
            done: Whether its effect is there: then the step counts as applied, else the next run takes it anew.

        Returns:
            What the ledger says now.

        Raises:
            UnknownMigrationPlugin: No service of the runtime keeps steps for that plugin.
            StepNotInDoubt: The ledger knows what became of the step.
            NoDatabase: The runtime has no database.
            RoostError: As `run_all_migrations`, for the lock and the connection.
        """
        service = self._keeper(plugin, step=step)
        await check_doubt(self._runtime, plugin=plugin, step=step)
        written: list[RepairedStep] = []

        async def write(run: MigrationRun) -> None:
            written.append(await repair(run, service, step=step, done=done))

        await self.in_a_run(service, write)
        return written[0]

    async def grant(self, role: str) -> None:
        """Let a role read the ledger, also tables that come later: for an application that does not migrate.

        With that it can start when nothing is to be done, and read status and history; it can write nothing. To do it again changes
        nothing.

        Args:
            role: The role, which exists already.

        Raises:
            UnknownRole: The server has no such role.
            InvalidIdentifier: No role can have that name.
            LedgerMissing: There is no ledger yet.
            LedgerNotOwned: The ledger does not belong to the role that migrates.
            NoDatabase: The runtime has no database.
            DatabaseError: The database can't be used.
        """
        await grant(self._runtime, role=role)

    async def baseline(self, plugin: str, version: str, *, check: bool = True, dry_run: bool = False) -> ClaimedSteps:
        """Write down that a plugin's steps up to a version are in the database, where something else than roost has brought them there.

        None of them is run; the next run goes on behind them. What their SQL makes is looked for first, by name, and columns by type.

        Args:
            plugin: The plugin's name.
            version: The version; it must be one of the steps' own.
            check: False looks for nothing.
            dry_run: Write nothing, and tell what would be written.

        Returns:
            What the ledger says now.

        Raises:
            UnknownMigrationPlugin: No service of the runtime keeps steps for that plugin.
            UnknownVersion: The steps don't lead to that version, or the code aims below it.
            InvalidPluginVersion: It is no version.
            BaselineRefused: The ledger has applied steps of the plugin already.
            RequiredStepMissing: A step requires another plugin's that is not applied.
            ClaimNotFound: The database lacks what the steps make.
            ClaimNotChecked: Nothing can be looked for without the extra ``sql``.
            NoDatabase: The runtime has no database.
            RoostError: As `run_all_migrations`, for the lock and the connection.
        """
        service = self._keeper(plugin)
        return await self._claim(service, baseline_at(service, version, self._config.policy), check=check, dry_run=dry_run)

    async def mark(self, plugin: str, step: str, *, check: bool = True, dry_run: bool = False) -> ClaimedSteps:
        """Write down that one step is in the database, without running it.

        Args:
            plugin: The plugin's name.
            step: The step's id: that of the next pending one, or of any pending one under the policy ``allow``.
            check: False looks for nothing.
            dry_run: Write nothing, and tell what would be written.

        Returns:
            What the ledger says now.

        Raises:
            UnknownMigrationPlugin: No service of the runtime keeps steps for that plugin.
            MarkRefused: The step is applied, is not the next, or does not exist.
            StepIsRepeatable: The step is a repeatable one.
            RoostError: As `baseline`, and as a plan is refused.
        """
        service = self._keeper(plugin, step=step)
        return await self._claim(service, mark_of(service, step, self._config.policy), check=check, dry_run=dry_run)

    async def claim(
        self, plugin: str, choose: Callable[[Sequence[MigrationStep]], Collection[str]], *, check: bool = True, dry_run: bool = False
    ) -> ClaimedSteps:
        """Write down that several steps are in the database, without running them: those that something else has run there.

        Steps that the ledger has already count as they are; where it has all of them, nothing is written.

        Args:
            plugin: The plugin's name.
            choose: Given all steps of the plugin in their order, returns the ids of those that are in the database; under the lock it
                is asked again.
            check: False looks for nothing.
            dry_run: Write nothing, and tell what would be written.

        Returns:
            What the ledger says now; `run` is None where nothing was written.

        Raises:
            UnknownMigrationPlugin: No service of the runtime keeps steps for that plugin.
            StepsLeftOut: Steps come before the chosen ones and are neither chosen nor applied.
            RoostError: As `baseline`, and as `choose` raises it.
        """
        service = self._keeper(plugin)
        decide = claim_of_chosen(service, choose, self._config.policy)
        seen = await self._claim(service, decide, check=check, dry_run=True)
        return seen if dry_run or not seen.steps else await self._claim(service, decide, check=check, dry_run=False)

    async def unmark(self, plugin: str, step: str, *, dry_run: bool = False) -> UnmarkedStep:
        """Take the row of a plugin's last applied step out of the ledger, and leave in the database what the step did there.

        Args:
            plugin: The plugin's name.
            step: The step's id.
            dry_run: Write nothing, and tell what would be written.

        Returns:
            What the ledger says now, and what of the step's effect is still there, as far as it can be looked for.

        Raises:
            UnknownMigrationPlugin: No service of the runtime keeps steps for that plugin.
            UnmarkRefused: The step is not applied, something applied stands on it, or nobody knows what became of it.
            StepIsRepeatable: The step is a repeatable one.
            NoDatabase: The runtime has no database.
            RoostError: As `run_all_migrations`, for the lock and the connection.
        """
        service = self._keeper(plugin, step=step)
        async with reading(self._runtime) as session:
            if session is None:
                raise NoDatabase(services=(f"the ledger of plugin {plugin}",))
            _, seen = await look_at_unmark(session, service, step=step, runtime=self._runtime)
        if dry_run:
            return seen
        written: list[UnmarkedStep] = []

        async def write(run: MigrationRun) -> None:
            written.append(await write_unmark(run, service, step=step))

        await self.in_a_run(service, write)
        return written[0]

    async def _claim(self, service: _Keeper, decide: Callable[[PluginState], Adoption], *, check: bool, dry_run: bool) -> ClaimedSteps:
        # Looked at without the lock first, so that a mistyped name or a wrong claim opens no run.
        async with reading(self._runtime) as session:
            if session is None:
                raise NoDatabase(services=(f"the ledger of plugin {service.plugin_name}",))
            _, seen = await look_at_claim(session, service, decide, check=check)
        if dry_run:
            return seen
        written: list[ClaimedSteps] = []

        async def write(run: MigrationRun) -> None:
            written.append(await write_claim(run, service, decide, check=check))

        await self.in_a_run(service, write)
        return written[0]

    def _keeper(self, plugin: str, *, step: str = "") -> _Keeper:
        """Return the service that keeps a plugin's steps, or the hook where the step is its own."""
        services = [service for service in self.get_migration_services() if keeps_ledger(service)]
        return services[index_of(services, plugin=plugin, step=step)]
