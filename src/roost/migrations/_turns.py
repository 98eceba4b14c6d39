"""Awaits services one after another in one run, and keeps account of which are done."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from roost.errors import RoostError
from roost.migrations._events import ServiceMigrationFinished, ServiceMigrationStarted
from roost.migrations._protocol import KeepsManifest, plugins_of
from roost.migrations._records import MigrationReport
from roost.migrations._run import current_run
from roost.postgres import is_connection_lost

if TYPE_CHECKING:
    from roost.migrations._protocol import IMigrationService
    from roost.migrations._run import MigrationRun
    from roost.migrations._states import MigrationStates


class Turns:
    """The turns of a run's services.

    Args:
        run: The run; it is begun and ended here.
        states: Where each service's state is kept.
        wish: For each plugin the digest to settle once its services are done.
        name_of_plugin: Returns the name of a service's plugin.
    """

    def __init__(
        self,
        run: MigrationRun,
        *,
        states: MigrationStates,
        wish: Mapping[str, str],
        name_of_plugin: Callable[[IMigrationService], str],
    ) -> None:
        self._run = run
        self._states = states
        self._wish = wish
        self._name_of_plugin = name_of_plugin
        self._services: Sequence[IMigrationService] = ()
        self._done: list[IMigrationService] = []
        self._proving: IMigrationService | None = None

    async def take(self, services: Sequence[IMigrationService]) -> MigrationReport:
        """Await the services in their order, up to the first that fails.

        Raises:
            Exception: As the service raised it, with a note of what was done and what was not.
        """
        started = time.monotonic()
        self._services = services
        outer = current_run.set(self._run)
        began = False
        try:
            began = await self._run.begin()
            if began:
                await self._each(services)
            else:
                self._done = list(services)
        except Exception as error:
            await self._run.end(self._settled(self._done))
            self._failed(services, error)
            raise
        except BaseException:
            self._run.abandon()
            for service in services[len(self._done) :]:
                self._states.set(service.service_name, "idle")
            raise
        finally:
            current_run.reset(outer)
        await self._run.end(self._settled(self._done) if began else {})
        self._complete(self._done)
        return report_of(self._run, done=self._done, failed=[], not_run=[], started=started)

    async def _each(self, services: Sequence[IMigrationService]) -> None:
        self._prove_files(services)
        for service in services:
            if not await self._one(service):
                self._done = list(services)
                return
            self._done.append(service)
            self._complete([service])

    def _prove_files(self, services: Sequence[IMigrationService]) -> None:
        """Refuse files that a manifest doesn't stand for before the first step of any service is run."""
        for service in services:
            if isinstance(service, KeepsManifest):
                self._proving = service
                service.prove_files()
        self._proving = None

    async def _one(self, service: IMigrationService) -> bool:
        """Await one service, again on a new session where the connection broke.

        Returns:
            False when another run was found to have done everything meanwhile.
        """
        run, name, plugin = self._run, service.service_name, self._name_of_plugin(service)
        self._states.set(name, "running")
        if service is self._services[-1]:
            self._run.last_turn(name, self._settled([*self._done, service]))
        run.emit(ServiceMigrationStarted(service=name, plugin=plugin))
        started, before = time.monotonic(), len(run.steps)
        failure: BaseException | None = None
        try:
            return await self._until_it_holds(service)
        except BaseException as error:
            failure = error
            raise
        finally:
            run.emit(
                ServiceMigrationFinished(
                    service=name,
                    plugin=plugin,
                    version=run.versions.get(plugin),
                    steps=len(run.steps) - before,
                    duration=time.monotonic() - started,
                    error=failure,
                )
            )

    async def _until_it_holds(self, service: IMigrationService) -> bool:
        attempt = 1
        while True:
            try:
                await service.run_migrations(self._run.runtime)
            except Exception as error:
                # What a broken connection has done, the ledger says, once the lock is ours again.
                if not self._run.is_broken:
                    raise
                if attempt == self._run.config.max_retries:
                    if is_connection_lost(error):
                        raise self._run.lost(error, attempts=attempt) from error
                    raise
                if not await self._run.begin_again(error, attempt=attempt):
                    return False
                attempt += 1
            else:
                return True

    def _failed(self, services: Sequence[IMigrationService], error: Exception) -> None:
        failed = [self._proving] if self._proving is not None else services[len(self._done) :][:1]
        not_run = [service for service in services[len(self._done) :] if service not in failed]
        for service in failed:
            blocked = isinstance(error, RoostError) and self._run.run_id is None
            self._states.set(service.service_name, "blocked" if blocked else "failed", error=error)
        for service in not_run:
            self._states.set(service.service_name, "idle")
        error.add_note(f"migrations done: {_names(self._done)}; failed: {_names(failed)}; not run: {_names(not_run)}")

    def _complete(self, services: Sequence[IMigrationService]) -> None:
        for service in services:
            if not self._is_ahead(service):
                self._states.set(service.service_name, "completed")

    def _settled(self, done: Sequence[IMigrationService]) -> dict[str, str]:
        # A plugin's digest is that of all its services.
        open_plugins = {name for one in self._services if one not in done or self._is_ahead(one) for name in plugins_of(one)}
        plugins = {name for one in done for name in plugins_of(one)} - open_plugins
        return {plugin: declaration for plugin, declaration in self._wish.items() if plugin in plugins}

    def _is_ahead(self, service: IMigrationService) -> bool:
        return self._states.states.get(service.service_name) == "ahead"


def report_of(
    run: MigrationRun,
    *,
    done: Sequence[IMigrationService],
    failed: Sequence[IMigrationService],
    not_run: Sequence[IMigrationService],
    started: float,
) -> MigrationReport:
    """Return what a run did, with the seconds since `started` by the monotonic clock."""
    return MigrationReport(
        run_id=run.run_id,
        done=tuple(service.service_name for service in done),
        failed=tuple(service.service_name for service in failed),
        not_run=tuple(service.service_name for service in not_run),
        waited=run.waited,
        duration=time.monotonic() - started,
        steps=tuple(run.steps),
        changed=tuple(run.changed),
        skipped=tuple(run.skipped),
        blocked=tuple(run.blocked),
    )


def _names(services: Sequence[IMigrationService]) -> str:
    return ", ".join(service.service_name for service in services) or "none"
