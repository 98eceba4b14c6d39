"""Every public error of roost on one page.

An error stores its facts in fields, renders a message from them (what happened, where, why) and carries a hint with the
next thing to do. The cause, where there is one, is kept as ``__cause__``. No field ever holds a password: what comes from
outside is redacted before it is stored.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import zip_longest
from typing import Any, Self


class RoostError(Exception):
    """The root of every error that roost raises itself."""

    @property
    def message(self) -> str:
        """What happened, where and why, in one or two sentences."""
        return type(self).__name__

    @property
    def hint(self) -> str:
        """The next thing to do; empty where there is nothing to add."""
        return ""

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions pickle by their positional arguments, and ours have keyword-only fields.
        return _rebuild, (type(self), self.__dict__.copy())


def _rebuild(kind: type[RoostError], fields: dict[str, Any]) -> RoostError:
    error = kind.__new__(kind)
    error.__dict__.update(fields)
    return error


def _shown(name: str) -> str:
    """Return the name of a file so that it stays on its line."""
    return name if name.isprintable() else repr(name)


def _listed(names: tuple[str, ...]) -> str:
    """Return the names of files, the first of many."""
    rest = f" and {len(names) - MANY_FILES} more" if len(names) > MANY_FILES else ""
    return ", ".join(map(_shown, names[:MANY_FILES])) + rest


# --- Runtime: plugins, services and their lifecycles ------------------------------------------------------------------


class RuntimeFault(RoostError):
    """Something is wrong with plugins, services, or the way they start and stop."""


@dataclass(eq=False, kw_only=True)
class InvalidPlugin(RuntimeFault):
    """A plugin's name, version or dependency is malformed."""

    name: str
    reason: str

    @property
    def message(self) -> str:
        return f"Invalid plugin {self.name}: {self.reason}"


@dataclass(eq=False, kw_only=True)
class DuplicatePlugin(RuntimeFault):
    """Two plugins of a runtime have one name."""

    name: str

    @property
    def message(self) -> str:
        return f"Two plugins are named {self.name!r}"

    @property
    def hint(self) -> str:
        return "give each plugin a name of its own, or take one of them out"


@dataclass(eq=False, kw_only=True)
class PluginMissing(RuntimeFault):
    """A plugin depends on one that is not in the runtime."""

    plugin: str
    needed: str
    known: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        return f"Plugin {self.plugin} needs {self.needed}, which is not among the plugins: {', '.join(self.known)}"

    @property
    def hint(self) -> str:
        return f"did you mean {self.suggestions[0]}?" if self.suggestions else "add it to Runtime(plugins=[…])"


@dataclass(eq=False, kw_only=True)
class PluginNotInstalled(RuntimeFault):
    """No installed package offers a plugin of that name."""

    name: str
    available: tuple[str, ...]
    suggestions: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        offered = ", ".join(self.available) or "none"
        return f"No installed package offers a plugin {self.name!r} (entry points roost.plugins: {offered})"

    @property
    def hint(self) -> str:
        return f"did you mean {' or '.join(self.suggestions)}?" if self.suggestions else "install the package that brings it"


@dataclass(eq=False, kw_only=True)
class PluginNotLoaded(RuntimeFault):
    """A plugin that is to be unloaded is not in the runtime."""

    name: str
    loaded: tuple[str, ...]

    @property
    def message(self) -> str:
        return f"There is no plugin {self.name!r} to unload; loaded are: {', '.join(self.loaded) or 'none'}"

    @property
    def hint(self) -> str:
        return "runtime.plugins lists them"


@dataclass(eq=False, kw_only=True)
class PluginInUse(RuntimeFault):
    """A plugin can't be unloaded, because others need it."""

    name: str
    dependents: tuple[str, ...]

    @property
    def message(self) -> str:
        return f"Plugin {self.name} can't be unloaded: it is needed by {', '.join(self.dependents)}"

    @property
    def hint(self) -> str:
        return "unload these first, or all together with cascade=True"


@dataclass(eq=False, kw_only=True)
class PluginVersionMismatch(RuntimeFault):
    """A plugin depends on another version of a plugin."""

    plugin: str
    needed: str
    found: str | None

    @property
    def message(self) -> str:
        return f"Plugin {self.plugin} needs {self.needed}, and its version is {self.found or 'not given'}"

    @property
    def hint(self) -> str:
        return "install a version that both can live with"


@dataclass(eq=False, kw_only=True)
class PluginCycle(RuntimeFault):
    """Plugins depend on each other in a circle."""

    path: tuple[str, ...]

    @property
    def message(self) -> str:
        return f"Plugins need each other in a circle: {' -> '.join(self.path)}"

    @property
    def hint(self) -> str:
        return "move what both need into a plugin of its own"


@dataclass(eq=False, kw_only=True)
class DuplicateService(RuntimeFault):
    """Two services of a runtime have one name."""

    name: str
    locations: tuple[str, ...]

    @property
    def message(self) -> str:
        return f"Two services are named {self.name!r}: {', '.join(self.locations)}"

    @property
    def hint(self) -> str:
        if len(set(self.locations)) == 1:
            return "bring it once: from the runtime itself, or from one plugin on which the others depend"
        return "set service_name on one of them"


@dataclass(eq=False, kw_only=True)
class MissingProvider(RuntimeFault):
    """A service asks for something that nobody brings."""

    service: str
    parameter: str
    wanted: str
    location: str
    suggestions: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        return f"Service {self.service} ({self.location}) asks for {self.wanted} as {self.parameter!r}, and no service provides it"

    @property
    def hint(self) -> str:
        if self.suggestions:
            return f"did you mean {self.suggestions[0]}?"
        return (
            f"add {self.wanted} to the services of the runtime or of a plugin, or ask for {self.wanted} | None; "
            "if it holds settings, make it a dataclass"
        )


@dataclass(eq=False, kw_only=True)
class AmbiguousProvider(RuntimeFault):
    """One service is asked for, and several would do."""

    asker: str
    wanted: str
    providers: tuple[str, ...]

    @property
    def message(self) -> str:
        return f"Several services are a {self.wanted} for {self.asker}: {', '.join(self.providers)}"

    @property
    def hint(self) -> str:
        return "ask for one of their classes, or for Sequence[…] of all"


@dataclass(eq=False, kw_only=True)
class DependencyCycle(RuntimeFault):
    """Services need each other in a circle."""

    path: tuple[str, ...]

    @property
    def message(self) -> str:
        return f"Services need each other in a circle: {' -> '.join(self.path)}"

    @property
    def hint(self) -> str:
        return "let one of them look the other up at run time: runtime.get_service(…)"


@dataclass(eq=False, kw_only=True)
class UnresolvableAnnotation(RuntimeFault):
    """A constructor's annotation can't be resolved, or names nothing that a runtime provides."""

    service: str
    parameter: str
    annotation: str
    reason: str
    location: str = ""

    @property
    def message(self) -> str:
        where = self.location and f" ({self.location})"
        return f"The constructor of {self.service}{where} asks for {self.parameter!r} as {self.annotation}: {self.reason}"

    @property
    def hint(self) -> str:
        return (
            "annotate it with a service class, Sequence[…] of one, Runtime, Plugin, or a settings dataclass for plain values, "
            "that can be imported; or give it a default"
        )


@dataclass(eq=False, kw_only=True)
class InvalidSettings(RuntimeFault):
    """A settings class can't be filled; `settings` is empty where the section itself is wrong."""

    section: str
    settings: str
    reason: str

    @property
    def message(self) -> str:
        return f"Invalid settings {self.section!r}{self.settings and f' for {self.settings}'}: {self.reason}"

    @property
    def hint(self) -> str:
        return "`roost services --settings` and runtime.explain_settings() show what is read and from where"


@dataclass(eq=False, kw_only=True)
class ConstructionFailed(RuntimeFault):
    """A service's constructor raised; constructors do no I/O and rarely should."""

    service: str
    location: str
    reason: str

    @property
    def message(self) -> str:
        return f"Service {self.service} ({self.location}) can't be constructed: {self.reason}"


@dataclass(eq=False, kw_only=True)
class ServiceNotFound(RuntimeFault):
    """A lookup found no service."""

    wanted: str
    suggestions: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        return f"There is no service {self.wanted}"

    @property
    def hint(self) -> str:
        return f"did you mean {' or '.join(self.suggestions)}?" if self.suggestions else "runtime.get_all_services() lists what there is"


@dataclass(eq=False, kw_only=True)
class InvalidService(RuntimeFault):
    """What is given as a service is none, or is written so that a part of it would never run."""

    service: str
    location: str
    reason: str
    advice: str

    @property
    def message(self) -> str:
        return f"Service {self.service}{self.location and f' ({self.location})'} can't be used: {self.reason}"

    @property
    def hint(self) -> str:
        return self.advice


@dataclass(eq=False, kw_only=True)
class StartNotAsync(RuntimeFault):
    """A service's start, stop, run, drain or health is a plain function."""

    service: str
    method: str
    location: str = ""

    @property
    def message(self) -> str:
        return f"{self.method} of service {self.service}{self.location and f' ({self.location})'} is not async"

    @property
    def hint(self) -> str:
        return f"write it as: async def {self.method}(self)"


@dataclass(eq=False, kw_only=True)
class ServiceStartFailed(RuntimeFault):
    """A service's start raised, for a reason that is its cause; what had started was stopped again."""

    service: str
    reason: str

    @property
    def message(self) -> str:
        return f"Service {self.service} failed to start: {self.reason}"


HELPFUL_TIMEOUTS = {
    "start": "start_timeout of the service or of the runtime",
    "stop": "stop_timeout of the service or of the runtime",
    "drain": "drain_timeout of the runtime",
    "cancelled start": "none helps: it does not obey its cancellation, so let CancelledError pass",
}


@dataclass(eq=False, kw_only=True)
class ServiceHung(RuntimeFault):
    """A service's start or stop did not end in time."""

    service: str
    phase: str
    timeout: float
    stack: str
    tree: str

    @property
    def message(self) -> str:
        parts = [f"The {self.phase} of {self.service} did not end within {round(self.timeout, 3):g} s"]
        parts += [f"{title}:\n{text}" for title, text in (("it stands at", self.stack), ("all phases", self.tree)) if text]
        return "\n".join(parts)

    @property
    def hint(self) -> str:
        return f"mend what it waits for, or give it more time: {HELPFUL_TIMEOUTS.get(self.phase, 'stop_timeout')}"


@dataclass(eq=False, kw_only=True)
class ServiceTaskCrashed(RuntimeFault):
    """The task of a running service ended with an error, and the runtime was stopped."""

    service: str
    reason: str
    restarts: int = 0

    @property
    def message(self) -> str:
        before = f", after {self.restarts} restarts within its window, which is as many as on_crash allows" if self.restarts else ""
        return f"Service {self.service} crashed{before}: {self.reason}"


@dataclass(eq=False, kw_only=True)
class FailureGroup(RoostError, ExceptionGroup[Exception]):
    """Several things went wrong: a flat exception group, in which the first error is the cause, or came first.

    ``except*`` and `split` see the errors as they were raised; `failures` names whose each is, and `reasons` tells each in a line.
    """

    failures: tuple[tuple[str, Exception], ...]
    reasons: tuple[str, ...]

    def __new__(cls, *, failures: tuple[tuple[str, Exception], ...], reasons: tuple[str, ...]) -> Self:  # noqa: ARG004 -- a field
        """Make the group."""
        return super().__new__(cls, cls.__name__, [error for _, error in failures])

    def derive(self, excs: Sequence[Exception]) -> Self:  # type: ignore[override]  # a group of Exceptions holds no other
        """Return a group of the same kind that holds some of the errors, as `split` and ``except*`` ask for it."""
        known = {id(error): (name, reason) for (name, error), reason in zip(self.failures, self.reasons, strict=True)}
        told = [known.get(id(error), ("", type(error).__name__)) for error in excs]
        failures = tuple((name, error) for (name, _), error in zip(told, excs, strict=True))
        return type(self)(failures=failures, reasons=tuple(reason for _, reason in told))

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), failures=self.failures, reasons=self.reasons), ()

    @property
    def _named(self) -> str:
        lines = [f"{name}: {reason}" for (name, _), reason in zip(self.failures, self.reasons, strict=True)]
        return f" {lines[0]}" if len(lines) == 1 else "".join(f"\n- {line}" for line in lines)


@dataclass(eq=False, kw_only=True)
class RuntimeStartFailed(FailureGroup, RuntimeFault):
    """A start failed, and more with it: other starts, or stops while it was undone."""

    @property
    def message(self) -> str:
        return f"The start failed, and more went wrong with it:{self._named}"


@dataclass(eq=False, kw_only=True)
class RuntimeCrashed(FailureGroup, RuntimeFault):
    """A service crashed, and more went wrong while the runtime was stopped for it; the first error is the `ServiceTaskCrashed`."""

    @property
    def message(self) -> str:
        return f"A service crashed, and not everything stopped cleanly:{self._named}"


@dataclass(eq=False, kw_only=True)
class RuntimeStopFailed(FailureGroup, RuntimeFault):
    """Services raised or hung while they were stopped; all others were stopped."""

    @property
    def message(self) -> str:
        return f"Not everything stopped cleanly:{self._named}"


@dataclass(eq=False, kw_only=True)
class RuntimeBusy(RuntimeFault):
    """Something was asked of a runtime that its state does not allow."""

    wish: str

    @property
    def message(self) -> str:
        return f"The runtime can't {self.wish}"

    @property
    def hint(self) -> str:
        return "runtime.is_ready and runtime.status() tell where it stands; tasks of a service are made in its start() or later"


@dataclass(eq=False, kw_only=True)
class ReadyTimeout(RuntimeFault):
    """A service was not started in time."""

    service: str
    timeout: float
    state: str

    @property
    def message(self) -> str:
        return f"Service {self.service} is not ready after {self.timeout:g} s: it is {self.state}"

    @property
    def hint(self) -> str:
        return "runtime.status() shows what everything waits for"


@dataclass(eq=False, kw_only=True)
class ServiceNotReady(RuntimeFault):
    """A request needs a service that is not started, or not any more."""

    service: str
    state: str

    @property
    def message(self) -> str:
        return f"Service {self.service} is not ready: it is {self.state}"

    @property
    def hint(self) -> str:
        return "ask again in a moment; /readyz of roost.asgi.Probes says what it waits for"


@dataclass(eq=False, kw_only=True)
class RuntimeNotGiven(RuntimeFault):
    """A request needs a service, and nothing says of which runtime."""

    service: str

    @property
    def message(self) -> str:
        return f"A request needs the service {self.service}, and nothing tells which runtime serves it"

    @property
    def hint(self) -> str:
        return "put roost.asgi.Gate or Probes around the application, or write service(…, runtime=runtime)"


# --- Telemetry: listeners of events ------------------------------------------------------------------------------------


@dataclass(eq=False, kw_only=True)
class TelemetryExtraMissing(RuntimeFault):
    """A runtime is to be watched by a library that is not installed."""

    package: str
    extra: str

    @property
    def message(self) -> str:
        return f"This needs the package {self.package}, which is not installed"

    @property
    def hint(self) -> str:
        return f"pip install 'roost[{self.extra}]'"


@dataclass(eq=False, kw_only=True)
class InvalidNotifyVariable(RuntimeFault):
    """An environment variable by which a service manager says how it wants to be told makes no sense."""

    variable: str
    value: str
    reason: str

    @property
    def message(self) -> str:
        return f"The environment variable {self.variable} is {self.value!r}: {self.reason}"

    @property
    def hint(self) -> str:
        return "systemd sets it for services of Type=notify: leave it as it is, or unset NOTIFY_SOCKET where no service manager listens"


# --- Database: URLs, connections, sessions and the embedded server ----------------------------------------------------


class DatabaseError(RoostError):
    """The database can't be named, reached or used."""


@dataclass(eq=False, kw_only=True)
class InvalidDatabaseURL(DatabaseError):
    """A database URL is malformed, or not PostgreSQL's."""

    reason: str

    @property
    def message(self) -> str:
        return f"Invalid database URL: {self.reason}"

    @property
    def hint(self) -> str:
        return "write it as postgresql://user:password@host:5432/database"


@dataclass(eq=False)
class DatabaseNotConfigured(DatabaseError):
    """Something needs the database's address, and there is none."""

    @property
    def message(self) -> str:
        return "No database is configured for this runtime"

    @property
    def hint(self) -> str:
        return "pass Runtime(database='postgresql://…'), or set ROOST_DATABASE_URL for the command line"


@dataclass(eq=False)
class PoolHasNoAddress(DatabaseNotConfigured):
    """Migrations need an address, and the database is a pool that was given without one."""

    @property
    def message(self) -> str:
        return "Migrations need a connection of their own, outside the pool that was given, and a pool does not tell its address"

    @property
    def hint(self) -> str:
        return "name it beside the pool: Runtime(database=Database(pool, migration_url='postgresql://…'))"


@dataclass(eq=False, kw_only=True)
class DatabaseUnreachable(DatabaseError):
    """Nobody answers at the database's address."""

    location: str
    attempts: int
    reason: str

    @property
    def message(self) -> str:
        tries = f"{self.attempts} attempts" if self.attempts != 1 else "1 attempt"
        return f"The database at {self.location} can't be reached after {tries}: {self.reason}"

    @property
    def hint(self) -> str:
        return "check that the server runs and that host and port are right"


@dataclass(eq=False, kw_only=True)
class DatabaseRefused(DatabaseError):
    """The server refused the user, the password or the database's name."""

    location: str
    reason: str

    @property
    def message(self) -> str:
        return f"The server at {self.location} refused the connection: {self.reason}"

    @property
    def hint(self) -> str:
        return "check user, password and database name"


@dataclass(eq=False, kw_only=True)
class PasswordUnavailable(DatabaseError):
    """The callable that gives the password for a connection gave none."""

    location: str
    reason: str

    @property
    def message(self) -> str:
        return f"There is no password for {self.location} from the callable that is to give it: {self.reason}"

    @property
    def hint(self) -> str:
        return "look at its own error, which is the cause (--traceback shows it); a callable returns text, or what can be awaited for text"


@dataclass(eq=False, kw_only=True)
class TLSNotOffered(DatabaseError):
    """A server was to encrypt the connection, and can't."""

    location: str
    sslmode: str

    @property
    def message(self) -> str:
        return f"The server at {self.location} does not encrypt connections, and sslmode={self.sslmode} asks for it"

    @property
    def hint(self) -> str:
        return "switch on ssl at the server; on a line that needs no encryption write sslmode=disable"


@dataclass(eq=False, kw_only=True)
class CertificateRefused(DatabaseError):
    """A server's certificate does not prove what `sslmode` asks for: who signed it, whose it is, or that it is valid."""

    location: str
    reason: str
    remedy: str

    @property
    def message(self) -> str:
        return f"The certificate of the server at {self.location} is refused: {self.reason}"

    @property
    def hint(self) -> str:
        return self.remedy


@dataclass(eq=False, kw_only=True)
class TLSFileUnusable(DatabaseError):
    """A file with certificates or keys, which the URL or the environment names, is missing or malformed."""

    setting: str
    path: str
    reason: str

    @property
    def message(self) -> str:
        return f"The file of {self.setting}, {self.path}, can't be read: {self.reason}"

    @property
    def hint(self) -> str:
        if self.setting == "sslrootcert":
            return (
                "name the certificate of the server's authority, as ?sslrootcert=/path/to/ca.pem; system means those that the system trusts"
            )
        return "see that the file is there, that this user may read it, and that it is PEM; sslcert and sslkey belong together"


@dataclass(eq=False, kw_only=True)
class InvalidIdentifier(DatabaseError):
    """A name can't be used as a PostgreSQL identifier."""

    name: str
    reason: str

    @property
    def message(self) -> str:
        return f"{self.name[:80]!r} can't be a name in PostgreSQL: {self.reason}"


@dataclass(eq=False, kw_only=True)
class InvalidText(DatabaseError):
    """A text can't be sent to PostgreSQL."""

    reason: str

    @property
    def message(self) -> str:
        return f"The text can't be sent to PostgreSQL: {self.reason}"


@dataclass(eq=False, kw_only=True)
class StepEscapeError(DatabaseError):
    """A migration step asked for another connection than its own."""

    step: str

    @property
    def message(self) -> str:
        return f"The migration step {self.step} asked for a connection of its own: what it did there would not be rolled back with it"

    @property
    def hint(self) -> str:
        return "use the step's MigrationContext, or runtime.get_service(Database), which is bound to the step"


@dataclass(eq=False, kw_only=True)
class PoolerInTheWay(DatabaseError):
    """Something of the migrations can't be done through the connection pooler at the address they were given."""

    location: str
    reason: str

    @property
    def message(self) -> str:
        return f"Migrations can't run through the connection pooler at {self.location}: {self.reason}"

    @property
    def hint(self) -> str:
        return "give migrations a direct line to the server: Database(url, migration_url='postgresql://…')"


@dataclass(eq=False, kw_only=True)
class ReadOnlyServer(DatabaseError):
    """The server is a standby, where nothing can be migrated although it grants locks."""

    location: str

    @property
    def message(self) -> str:
        return f"{self.location} is a standby in recovery: it can't be migrated"

    @property
    def hint(self) -> str:
        return "connect to the primary, for example with ?target_session_attrs=read-write"


@dataclass(eq=False, kw_only=True)
class EmbeddedServerUnavailable(DatabaseError):
    """This machine has no PostgreSQL server that could be run, or no account to run it."""

    reason: str
    passed_over: tuple[str, ...] = ()
    remedy: str = "pip install 'roost[embedded]'"

    @property
    def message(self) -> str:
        lines = [f"No embedded PostgreSQL server can be run: {self.reason}", *(f"  {one}" for one in self.passed_over)]
        return "\n".join(lines)

    @property
    def hint(self) -> str:
        return self.remedy


@dataclass(eq=False, kw_only=True)
class EmbeddedDataUnusable(DatabaseError):
    """An embedded server can't keep its data where it was told to."""

    data_dir: str
    reason: str

    @property
    def message(self) -> str:
        return f"An embedded server can't keep its data in {self.data_dir}: {self.reason}"

    @property
    def hint(self) -> str:
        return "give another data directory, on a local disk and owned by the user who runs this"


@dataclass(eq=False, kw_only=True)
class EmbeddedServerFailed(DatabaseError):
    """An embedded server did not start or not stop."""

    reason: str
    log_tail: str = ""

    @property
    def message(self) -> str:
        tail = f"\nit logged:\n{self.log_tail}" if self.log_tail else ""
        return f"The embedded PostgreSQL server failed: {self.reason}{tail}"


# --- Migrations: steps, plans, the lock and the ledger ----------------------------------------------------------------


class MigrationError(RoostError):
    """A migration can't be planned, run or undone."""


@dataclass(eq=False, kw_only=True)
class InvalidPluginVersion(MigrationError):
    """A version is malformed, or of a kind whose order surprises people."""

    version: str
    reason: str

    @property
    def message(self) -> str:
        return f"Invalid version {self.version!r}: {self.reason}"

    @property
    def hint(self) -> str:
        return "write versions such as 1.4.0, or 2.0.0rc1 for a pre-release"


@dataclass(eq=False, kw_only=True)
class InvalidStep(MigrationError):
    """A migration step is not well formed."""

    step: str
    reason: str

    @property
    def message(self) -> str:
        return f"Invalid migration step {self.step}: {self.reason}"

    @property
    def hint(self) -> str:
        return (
            "MigrationStep(id, description, up, down) takes SQL text or async functions, outside a transaction SQL alone; "
            "RepeatableStep(id, description, up) takes SQL text"
        )


@dataclass(eq=False, kw_only=True)
class DuplicateStep(MigrationError):
    """Two steps of one plugin have the same id."""

    plugin: str
    step: str

    @property
    def message(self) -> str:
        return f"Plugin {self.plugin} has two migration steps with the id {self.step!r}"

    @property
    def hint(self) -> str:
        return "give each step of a plugin an id of its own; an applied step keeps the id it has"


@dataclass(eq=False, kw_only=True)
class UnknownRepeatable(MigrationError):
    """A repeatable step comes after one that its plugin does not have; `is_versioned` says that the name is a versioned step's."""

    plugin: str
    step: str
    after: str
    is_versioned: bool = False
    suggestions: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        what = "a versioned step" if self.is_versioned else "no repeatable step of the plugin"
        return f"Repeatable step {self.step!r} of plugin {self.plugin} comes after {self.after!r}, which is {what}"

    @property
    def hint(self) -> str:
        if self.is_versioned:
            return "leave it out: all versioned steps of a plugin run before its repeatable ones"
        if self.suggestions:
            return f"did you mean {' or '.join(self.suggestions)}?"
        return "after names repeatable steps of the same plugin; what other plugins have done is there where the plugin depends on them"


@dataclass(eq=False, kw_only=True)
class RepeatableCycle(MigrationError):
    """Repeatable steps come after each other; each of `steps` comes after the next one."""

    plugin: str
    steps: tuple[str, ...]

    @property
    def message(self) -> str:
        return f"Repeatable steps of plugin {self.plugin} come after each other: {' after '.join(self.steps)}"

    @property
    def hint(self) -> str:
        return "take one name out of an after, or put what needs each other into one step"


@dataclass(eq=False, kw_only=True)
class StepIsRepeatable(MigrationError):
    """What is `wanted` is done to versioned steps only, and the step is repeatable."""

    plugin: str
    step: str
    wanted: str

    @property
    def message(self) -> str:
        return f"Can't {self.wanted} step {self.step!r} of plugin {self.plugin}: it is repeatable"

    @property
    def hint(self) -> str:
        return "a repeatable step has run or has not, in one transaction with its record; it runs again when its text changes"


@dataclass(eq=False, kw_only=True)
class InvalidConfiguration(MigrationError):
    """A value of `MigrationConfig`, or of a call, is out of its range."""

    name: str
    value: object
    reason: str

    @property
    def message(self) -> str:
        return f"Invalid {self.name}={self.value!r}: {self.reason}"


@dataclass(eq=False, kw_only=True)
class InvalidSqlFile(MigrationError):
    """A file of SQL migrations can't be read as such."""

    path: str
    reason: str
    line: int | None = None

    @property
    def message(self) -> str:
        place = _shown(self.path) if self.line is None else f"{_shown(self.path)}:{self.line}"
        return f"Invalid migration file {place}: {self.reason}"


MANY_FILES = 20
"""So many files an error names in its message; its fields name all."""


@dataclass(eq=False, kw_only=True)
class AlembicExtraMissing(MigrationError):
    """A directory of Alembic's is to be run, and a package for that is not installed."""

    package: str

    @property
    def message(self) -> str:
        return f"Alembic's directories need the package {self.package}, which is not installed"

    @property
    def hint(self) -> str:
        return "pip install 'roost[alembic]'"


@dataclass(eq=False, kw_only=True)
class InvalidAlembicDirectory(MigrationError):
    """A directory of Alembic's can't be read."""

    path: str
    reason: str

    @property
    def message(self) -> str:
        return f"The Alembic directory {_shown(self.path)} can't be read: {self.reason}"

    @property
    def hint(self) -> str:
        return "directory is the folder with 'versions' in it, or an alembic.ini that names it"


@dataclass(eq=False, kw_only=True)
class AlembicCommits(MigrationError):
    """A revision of Alembic's wants to commit in its middle, which would take it out of its step's transaction."""

    revision: str

    @property
    def message(self) -> str:
        return f"Revision {self.revision} uses autocommit_block(), and a step is one transaction"

    @property
    def hint(self) -> str:
        return "run this one by alembic upgrade, and write it down with: roost import --from alembic"


@dataclass(eq=False, kw_only=True)
class AlembicVersionsDiffer(MigrationError):
    """Alembic's table of versions does not say what the ledger says, so a revision can't be run.

    Attributes:
        table: The table.
        revision: The revision that was to be run.
        unknown: Heads in it that the directory lacks.
        lacking: Revisions that are applied by the ledger, and not by the table.
        ahead: Revisions that are applied by the table, and not by the ledger.
    """

    table: str
    revision: str
    unknown: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    ahead: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        if self.unknown:
            what = f"names {', '.join(self.unknown)}, which the directory lacks"
        elif self.lacking:
            what = f"lacks {', '.join(self.lacking)}"
        else:
            what = f"has {', '.join(self.ahead)} applied"
        return f"Revision {self.revision} can't be run, as the table {self.table} and the ledger differ: the table {what}"

    @property
    def hint(self) -> str:
        if self.lacking:
            return f"write down for Alembic what is in the database with: alembic stamp {' '.join(self.lacking)}"
        return "bring the directory up to date, then write down what Alembic has run with: roost import --from alembic"


@dataclass(eq=False, kw_only=True)
class HistoryNotFound(MigrationError):
    """The database has no table in which another tool would keep its history."""

    tool: str
    table: str

    @property
    def message(self) -> str:
        return f"The history of {self.tool} can't be imported: the database has no table {self.table}"

    @property
    def hint(self) -> str:
        return "where the table has another name, say so with --table schema.name; see which database it is with: roost status"


@dataclass(eq=False, kw_only=True)
class HistoryUnreadable(MigrationError):
    """A table is not what another tool would keep its history in, or does not say what is to be known."""

    tool: str
    table: str
    reason: str
    remedy: str

    @property
    def message(self) -> str:
        return f"The history of {self.tool} in {self.table} can't be imported: {self.reason}"

    @property
    def hint(self) -> str:
        return self.remedy


@dataclass(eq=False, kw_only=True)
class HistoryUnfinished(MigrationError):
    """Another tool's history says that a migration failed halfway, so nobody knows what of it is in the database."""

    tool: str
    table: str
    entries: tuple[str, ...]

    @property
    def message(self) -> str:
        return f"The history of {self.tool} in {self.table} can't be imported: it has failed at {', '.join(self.entries)}"

    @property
    def hint(self) -> str:
        return f"bring the database into order by {self.tool} first, until it says that all is well; then import again"


@dataclass(eq=False, kw_only=True)
class HistoryNotInCode(MigrationError):
    """Another tool's history has migrations that are none of a plugin's steps."""

    tool: str
    table: str
    plugin: str
    entries: tuple[str, ...]

    @property
    def message(self) -> str:
        what = f"plugin {self.plugin} has no steps for {', '.join(self.entries)}"
        return f"The history of {self.tool} in {self.table} can't be imported: {what}"

    @property
    def hint(self) -> str:
        return "bring all migrations that the database has into the plugin's code, under the names or numbers that they have there"


@dataclass(eq=False, kw_only=True)
class InvalidManifest(MigrationError):
    """The manifest of a folder of SQL migrations can't be used, so nothing says which files belong there."""

    path: str
    reason: str
    line: int | None = None

    @property
    def message(self) -> str:
        place = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"Invalid manifest {place}: {self.reason}"

    @property
    def hint(self) -> str:
        return "see that the SQL files are those you want, and write it anew with: roost check --write"


@dataclass(eq=False, kw_only=True)
class ManifestConflict(InvalidManifest):
    """Two branches each changed the SQL files of a folder, and git left it to a person to say which belong there."""

    ours: tuple[str, ...] = ()
    theirs: tuple[str, ...] = ()
    same_number: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        sides = ((self.ours, "this side"), (self.theirs, "the other side"))
        told = "; ".join(f"only {side} has {_listed(names)}" for names, side in sides if names)
        both = f"; {_listed(self.same_number)} have the same number" if self.same_number else ""
        return f"{super().message}{f': {told}' if told else ''}{both}"

    @property
    def hint(self) -> str:
        if self.same_number:
            return "keep the files of both; give those that are not applied yet another number with: roost new --renumber"
        return "keep the files of both, and write the manifest anew with: roost check --write"


@dataclass(eq=False, kw_only=True)
class ManifestMismatch(MigrationError):
    """SQL files are not those that their folder's manifest lists; nothing was run."""

    path: str
    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        found = ((self.changed, "changed"), (self.missing, "missing"), (self.unlisted, "not listed"))
        told = [f"{_shown(name)} is {what}" for names, what in found for name in names]
        rest = f"; and {len(told) - MANY_FILES} more" if len(told) > MANY_FILES else ""
        return f"The SQL files are not those of {self.path}: {'; '.join(told[:MANY_FILES])}{rest}"

    @property
    def hint(self) -> str:
        ran = " (a file that ran already is not run again: what it lacks is for a new one)" if self.changed else ""
        return f"undo what was not meant; for what was, write the manifest anew with: roost check --write{ran}"


@dataclass(eq=False, kw_only=True)
class ManifestNotWritten(MigrationError):
    """The manifest of a folder of SQL migrations can't be written; the one before, if any, is still there."""

    path: str
    reason: str

    @property
    def message(self) -> str:
        return f"The manifest {self.path} can't be written: {self.reason}"

    @property
    def hint(self) -> str:
        return "run it where the sources are and may be changed; --plugin leaves the folders of other plugins alone"


@dataclass(eq=False, kw_only=True)
class SeveralMigrationServices(MigrationError):
    """A plugin has more than one service that keeps a chain of steps."""

    plugin: str
    services: tuple[str, ...]

    @property
    def message(self) -> str:
        return f"Plugin {self.plugin} has several chains of migration steps: {', '.join(self.services)}"

    @property
    def hint(self) -> str:
        return "one plugin has one chain, so that its order is known: put the steps into one service (load_sql_steps reads files)"


@dataclass(eq=False, kw_only=True)
class NoDatabase(MigrationError):
    """Migrations need a database and the runtime has none."""

    services: tuple[str, ...]

    @property
    def message(self) -> str:
        return f"No database is configured, and {', '.join(self.services)} needs one"

    @property
    def hint(self) -> str:
        return "pass Runtime(database='postgresql://…'), or set ROOST_DATABASE_URL for the command line"


@dataclass(eq=False, kw_only=True)
class MigrationLockTimeout(MigrationError):
    """Another run kept the migration lock for longer than this one would wait.

    Attributes:
        waited: Seconds.
        pid: The server process that holds the lock; None where nobody did at the end.
        application_name: What that one says it is doing: its plugin and step.
        host: Where its client is; None for a local socket.
        since: When its connection began.
        state: The server's word for what it does.
        connected_for: Seconds since its connection began, by the server's clock.
        statement_for: Seconds since its present or last statement began.
        activity: What it does and for how long, in words.
        run: The number of its run, where the ledger could be asked.
        run_for: Seconds since that run began.
        client_host: The host of the run's process.
        client_pid: The id of the run's process there.
    """

    waited: float
    pid: int | None = None
    application_name: str | None = None
    host: str | None = None
    since: datetime | None = None
    state: str | None = None
    connected_for: float | None = None
    statement_for: float | None = None
    activity: str | None = None
    run: int | None = None
    run_for: float | None = None
    client_host: str | None = None
    client_pid: int | None = None

    @property
    def message(self) -> str:
        if self.pid is None:
            return f"Migration lock timeout after {self.waited:g} s: the lock changed hands and was never free for this run"
        place = f" with its client on {self.host}" if self.host else ""
        since = f", connected since {self.since:%Y-%m-%d %H:%M:%S%z}" if self.since else ""
        run = f", run {self.run} of process {self.client_pid} on {self.client_host}" if self.run is not None else ""
        age = f", begun {self.run_for:.0f} s ago" if self.run_for is not None else ""
        activity = f"; {self.activity}" if self.activity else ""
        return (
            f"Migration lock timeout after {self.waited:g} s: the lock is held by server process {self.pid}{place} "
            f"({self.application_name or 'no application name'}{since}{run}{age}){activity}"
        )

    @property
    def hint(self) -> str:
        if self.pid is None:
            return "try again, or raise MigrationConfig(run_lock_timeout=…)"
        return "wait for it or raise MigrationConfig(run_lock_timeout=…); if it hangs, end it with: roost unlock"


@dataclass(eq=False, kw_only=True)
class MigrationLockLost(MigrationError):
    """This run no longer holds the migration lock; the step in hand was refused and rolled back."""

    detail: str

    @property
    def message(self) -> str:
        return f"The migration lock was lost: {self.detail}"

    @property
    def hint(self) -> str:
        return "start again: what was applied is recorded, and the rest will run"


@dataclass(eq=False, kw_only=True)
class UnlockDenied(MigrationError):
    """The role may not end the server process that holds the migration lock."""

    pid: int
    role: str
    reason: str

    @property
    def message(self) -> str:
        return f"Role {self.role} can't end server process {self.pid}, which holds the migration lock: {self.reason}"

    @property
    def hint(self) -> str:
        role = self.role.replace('"', '""')
        return (
            f'unlock with the role that migrates, or let an administrator run GRANT pg_signal_backend TO "{role}" '
            "(a superuser's process is ended by superusers only)"
        )


@dataclass(eq=False, kw_only=True)
class UnlockFailed(MigrationError):
    """The server process that holds the migration lock was told to end, and did not."""

    pid: int
    waited: float

    @property
    def message(self) -> str:
        return f"Server process {self.pid} was told to end and has not done so within {self.waited:g} s"

    @property
    def hint(self) -> str:
        return "look again with: roost unlock; if it stays, see what it waits for in pg_stat_activity"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """Another session that holds a lock which a migration step needs.

    Attributes:
        pid: Its process on the server.
        application_name: What it calls itself.
        state: The server's word for what it does, such as ``"idle in transaction"``.
        seconds: How long its transaction had been open when it was seen; None where the role may not see it.
        query: The beginning of its last statement.
        gives_way: Whether it is an autovacuum, which the server ends for whoever waits for longer than ``deadlock_timeout``.
    """

    pid: int
    application_name: str
    state: str
    seconds: float | None
    query: str
    gives_way: bool = False

    def __str__(self) -> str:
        """Return it in one phrase."""
        name = f" ({self.application_name})" if self.application_name else ""
        age = f" for {self.seconds:.1f} s" if self.seconds is not None else ""
        return f"server process {self.pid}{name}, {self.state}{age}: {self.query}"


@dataclass(eq=False, kw_only=True)
class StepFailed(MigrationError):
    """A migration step raised an error; it was rolled back, and the steps before it stay.

    What a step outside a transaction (`transactional` is False) had done stays as well; the next run looks what that is, and goes on.
    """

    service: str
    plugin: str
    step: str
    direction: str
    reason: str
    location: str | None = None
    sqlstate: str | None = None
    attempts: int = 1
    blockers: tuple[Blocker, ...] = ()
    transactional: bool = True

    @property
    def message(self) -> str:
        where = f" at {self.location}" if self.location else ""
        state = f" [{self.sqlstate}]" if self.sqlstate else ""
        tries = f" after {self.attempts} attempts" if self.attempts > 1 else ""
        blocked = f"; blocked by {'; '.join(map(str, self.blockers))}" if self.blockers else ""
        return (
            f"Migration step {self.step!r} of plugin {self.plugin} failed ({self.direction}{tries}){where}: {self.reason}{state}{blocked}"
        )

    @property
    def hint(self) -> str:
        if self.blockers:
            end = ", ".join(f"pg_terminate_backend({blocker.pid})" for blocker in self.blockers)
            return (
                "the steps before it are kept, and the next run goes on from here: let what blocks it end, or end it with "
                f"SELECT {end}, or wait longer with MigrationConfig(lock_wait_budget=…)"
            )
        if not self.transactional:
            return (
                "it ran outside a transaction, so what it had done stays, and the steps before it are kept; mend what was wrong and run "
                "again: it looks what is done already and goes on from here, or names what only a person can look up"
            )
        return "the step was rolled back and the steps before it are kept; mend it and run again, it goes on from here"


@dataclass(eq=False, kw_only=True)
class RehearsedStepFailed(StepFailed):
    """A migration step raised an error in a rehearsal, as it would in a run; nothing of the rehearsal is kept."""

    @property
    def hint(self) -> str:
        if self.blockers:
            return "everything was rolled back: let what blocks it end, or rehearse on a copy of the database"
        return "everything was rolled back; mend the step and rehearse again"


@dataclass(eq=False, kw_only=True)
class StepEscaped(MigrationError):
    """A step's function ended its own transaction, so nobody can say how much of it was kept."""

    plugin: str
    step: str

    @property
    def message(self) -> str:
        return f"Migration step {self.step!r} of plugin {self.plugin} ended its own transaction: its effect and its record may differ"

    @property
    def hint(self) -> str:
        return f"take COMMIT and ROLLBACK out of the step and check what it left; {_repairs(self.plugin, self.step)}"


@dataclass(eq=False, kw_only=True)
class StepOutcomeUnknown(MigrationError):
    """A step outside a transaction was begun and not seen to end, and the catalogue can't tell what became of it.

    Attributes:
        plugin: The plugin.
        step: The step's id.
        sql: The statement in doubt.
        check: What a person is to look for.
        needs_extra: Whether roost could find out more if the extra `sql` were installed.
    """

    plugin: str
    step: str
    sql: str
    check: str = "check in the database whether it took effect"
    needs_extra: bool = False

    @property
    def message(self) -> str:
        return f"Migration step {self.step!r} of plugin {self.plugin} was begun outside a transaction and not seen to end: {self.sql}"

    @property
    def hint(self) -> str:
        extra = "; what the catalogue tells of it roost finds out by itself with: pip install 'roost[sql]'" if self.needs_extra else ""
        return f"{self.check}; {_repairs(self.plugin, self.step)}{extra}"


@dataclass(eq=False, kw_only=True)
class IndexConflict(MigrationError):
    """A step would build an index, and its name is taken by something else, which is left alone.

    Attributes:
        plugin: The plugin.
        step: The step's id.
        index: The index, in quotes where it needs them.
        declared: What the step declares, in PostgreSQL's own words where it could be asked.
        found: What is there.
        reason: How they differ, or why that could not be found out.
    """

    plugin: str
    step: str
    index: str
    declared: str
    found: str
    reason: str

    @property
    def message(self) -> str:
        return (
            f"Migration step {self.step!r} of plugin {self.plugin} can't build index {self.index}: {self.reason}\n"
            f"  there is:     {self.found}\n"
            f"  it declares:  {self.declared}"
        )

    @property
    def hint(self) -> str:
        return (
            "nothing was changed; give the step's index another name, or declare what is there, or, if what is there may go, drop it "
            "yourself and run again"
        )


def _repairs(plugin: str, step: str) -> str:
    done, undone = (_command("repair", plugin, step, option=option) for option in ("--done", "--undone"))
    return f"then, if its effect is there, run: {done}; if it is not: {undone}"


def _command(command: str, *names: str, option: str = "") -> str:
    """Return a command of ``roost`` as it is typed into a shell, whatever the names in it are made of."""
    words = shlex.join(names)
    if any(name.startswith("-") for name in names):
        return " ".join(filter(None, ("roost", command, option, "--", words)))
    return " ".join(filter(None, ("roost", command, words, option)))


@dataclass(eq=False, kw_only=True)
class UnknownMigrationPlugin(MigrationError):
    """No service of the runtime keeps migration steps for a plugin of that name."""

    plugin: str
    known: tuple[str, ...]
    suggestions: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        return f"No plugin {self.plugin!r} has migration steps in this runtime"

    @property
    def hint(self) -> str:
        if self.suggestions:
            return f"did you mean {' or '.join(self.suggestions)}?"
        return f"there are: {', '.join(self.known) or 'none'}"


@dataclass(eq=False, kw_only=True)
class StepNotInDoubt(MigrationError):
    """A step is to be repaired whose outcome is known; `state` is what the ledger says of it, None where it knows no such step."""

    plugin: str
    step: str
    state: str | None
    in_doubt: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        why = "it is applied and recorded" if self.state is not None else "it is not applied"
        return f"Migration step {self.step!r} of plugin {self.plugin} needs no repair: {why}"

    @property
    def hint(self) -> str:
        if self.suggestions:
            return f"did you mean {' or '.join(self.suggestions)}?"
        if self.in_doubt:
            return f"in doubt are: {', '.join(self.in_doubt)}"
        return f"nothing of plugin {self.plugin} is in doubt; see where it stands with: roost status"


@dataclass(eq=False, kw_only=True)
class UnknownVersion(MigrationError):
    """A plugin's steps don't lead to a version that a run or a baseline was to end at.

    Attributes:
        plugin: The plugin.
        version: What was asked for.
        target: The version the code aims at; None where the plugin has no versions.
        known: The versions that its pending steps reach.
        is_above: Whether the version lies above the code's target.
    """

    plugin: str
    version: str
    target: str | None
    known: tuple[str, ...] = ()
    is_above: bool = False

    @property
    def message(self) -> str:
        why = f"the code aims at {self.target}" if self.is_above else "none of its steps has that version"
        return f"Plugin {self.plugin} has no version {self.version}: {why}"

    @property
    def hint(self) -> str:
        return f"the versions ahead of it: {', '.join(self.known) or 'none'}"


@dataclass(eq=False, kw_only=True)
class VersionPassed(MigrationError):
    """A run was to end at a version above which a plugin is already."""

    plugin: str
    version: str
    current: str

    @property
    def message(self) -> str:
        return f"Plugin {self.plugin} is already at version {self.current}, above {self.version}"

    @property
    def hint(self) -> str:
        return f"to go back: roost down --plugin {self.plugin} --to {self.version}"


@dataclass(eq=False, kw_only=True)
class BaselineRefused(MigrationError):
    """A plugin can't be baselined, because the ledger says already where it stands."""

    plugin: str
    version: str | None
    steps: tuple[str, ...]

    @property
    def message(self) -> str:
        where = f"Plugin {self.plugin} is already at version {self.version}" if self.version else f"Plugin {self.plugin} is not new"
        return f"{where} and can't be baselined; its applied steps: {', '.join(self.steps) or 'none'}"

    @property
    def hint(self) -> str:
        return f"claim further steps one by one with: {_command('mark', self.plugin)} STEP"


@dataclass(eq=False, kw_only=True)
class MarkRefused(MigrationError):
    """A step can't be marked as applied.

    Attributes:
        plugin: The plugin.
        step: The step.
        is_applied: Whether the ledger has it already.
        pending: The steps that are pending, in order.
        suggestions: Names that were perhaps meant.
    """

    plugin: str
    step: str
    is_applied: bool = False
    pending: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        if self.is_applied:
            why = "it is applied already"
        elif self.step in self.pending:
            why = f"{self.pending[0]!r} comes before it"
        else:
            why = "the code has no such step"
        return f"Migration step {self.step!r} of plugin {self.plugin} can't be marked as applied: {why}"

    @property
    def hint(self) -> str:
        if self.suggestions:
            return f"did you mean {' or '.join(self.suggestions)}?"
        if self.is_applied or not self.pending:
            return f"pending are: {', '.join(self.pending) or 'none'}"
        return f"the next step is marked with: {_command('mark', self.plugin, self.pending[0])}"


@dataclass(eq=False, kw_only=True)
class StepsLeftOut(MigrationError):
    """Steps are claimed to be in the database, and others that come before them are not.

    Attributes:
        plugin: The plugin.
        steps: Those that are left out.
        before: The last of the claimed ones.
    """

    plugin: str
    steps: tuple[str, ...]
    before: str

    @property
    def message(self) -> str:
        left_out = f"{', '.join(self.steps)} {'come' if len(self.steps) > 1 else 'comes'} before it and would be left out"
        return f"Migration step {self.before!r} of plugin {self.plugin} can't be claimed: {left_out}"

    @property
    def hint(self) -> str:
        return "nothing was written; let what has run the others run these too, and claim again"


@dataclass(eq=False, kw_only=True)
class UnmarkRefused(MigrationError):
    """A step's row can't be taken out of the ledger.

    Attributes:
        plugin: The plugin.
        step: The step.
        state: What the ledger says of it; None where it has no such step.
        needed_by: What stands on it: later steps, and steps and plugins that depend on it.
        suggestions: Names that were perhaps meant.
    """

    plugin: str
    step: str
    state: str | None
    needed_by: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        if self.state is None:
            why = "it is not applied"
        elif self.needed_by:
            why = f"what stands on it is applied: {', '.join(self.needed_by)}"
        else:
            why = "nobody knows what became of it"
        return f"Migration step {self.step!r} of plugin {self.plugin} can't be unmarked: {why}"

    @property
    def hint(self) -> str:
        if self.suggestions:
            return f"did you mean {' or '.join(self.suggestions)}?"
        if self.state is None:
            return "see what is applied with: roost history"
        if self.needed_by:
            return "unmark or roll back what stands on it first, the newest first"
        return f"look at what it left; {_repairs(self.plugin, self.step)}"


@dataclass(eq=False, kw_only=True)
class ClaimNotFound(MigrationError):
    """Steps are claimed to be in the database, and what they make is not there, or is something else."""

    plugin: str
    missing: tuple[str, ...]

    @property
    def message(self) -> str:
        return f"The database does not have what the claimed steps of plugin {self.plugin} make: {'; '.join(self.missing)}"

    @property
    def hint(self) -> str:
        return "nothing was written; claim less, or bring the database there first; if you know better, pass check=False (--unchecked)"


@dataclass(eq=False, kw_only=True)
class ClaimNotChecked(MigrationError):
    """Nothing of what claimed steps make can be looked for, because SQL can't be read here."""

    plugin: str
    steps: tuple[str, ...]
    remedy: str

    @property
    def message(self) -> str:
        what = f"the claimed steps of plugin {self.plugin}"
        return f"Nothing of what {what} make can be looked for without the extra sql: {', '.join(self.steps)}"

    @property
    def hint(self) -> str:
        return f"{self.remedy}, or pass check=False (--unchecked) if you know that all of it is there"


@dataclass(eq=False, kw_only=True)
class StepsOutOfOrder(MigrationError):
    """A step was added in front of one that is applied already."""

    plugin: str
    steps: tuple[str, ...]
    applied: str

    @property
    def message(self) -> str:
        return f"Plugin {self.plugin} has unapplied steps before the applied step {self.applied!r}: {', '.join(self.steps)}"

    @property
    def hint(self) -> str:
        return "give them a later version so that they come last, or pass MigrationConfig(policy='allow') to run them now"


@dataclass(eq=False, kw_only=True)
class StepsMissing(MigrationError):
    """The database has steps in its past that the code no longer holds."""

    plugin: str
    steps: tuple[str, ...]

    @property
    def message(self) -> str:
        return f"Plugin {self.plugin} lacks steps that the database has applied: {', '.join(self.steps)}"

    @property
    def hint(self) -> str:
        return "put the steps back, or pass MigrationConfig(policy='allow') to go on without them"


@dataclass(eq=False, kw_only=True)
class DatabaseAhead(MigrationError):
    """The database was migrated by newer code, past a point that this code can live with."""

    plugin: str
    steps: tuple[str, ...]
    version: str | None = None

    @property
    def message(self) -> str:
        what = f"step {', '.join(self.steps)}" if self.steps else f"version {self.version}"
        return f"The database is ahead of this code of plugin {self.plugin}: {what} was applied by a newer release"

    @property
    def hint(self) -> str:
        return "start the newer release, or roll the database back with it first"


@dataclass(eq=False, kw_only=True)
class HistoriesDiverged(MigrationError):
    """The database and the code each hold steps that the other lacks."""

    plugin: str
    unknown: tuple[str, ...]
    pending: tuple[str, ...]

    @property
    def message(self) -> str:
        return (
            f"Plugin {self.plugin}: the database has steps that this code lacks ({', '.join(self.unknown)}) and the code has steps "
            f"that the database lacks ({', '.join(self.pending)})"
        )

    @property
    def hint(self) -> str:
        return "bring both lines of development together in one release; what the database has is never guessed at"


@dataclass(eq=False, kw_only=True)
class RequiredStepMissing(MigrationError):
    """A step requires another plugin's step that is not applied."""

    plugin: str
    step: str
    required: str
    is_claimed: bool = False

    @property
    def message(self) -> str:
        return f"Migration step {self.step!r} of plugin {self.plugin} requires {self.required}, which is not applied"

    @property
    def hint(self) -> str:
        if self.is_claimed:
            return "baseline the other plugin first, or mark that step"
        other = self.required.partition(":")[0]
        return (
            f"let the plugin depend on {other} (Plugin(dependencies=…)), so that a run of all takes {other} first; "
            f"before a part of the plugin take that yourself: roost up --plugin {other}"
        )


@dataclass(eq=False, kw_only=True)
class NoRollbackMethod(MigrationError):
    """A step that would have to be rolled back has no `down`; `reason` says why, where the code does."""

    plugin: str
    step: str
    reason: str | None = None

    @property
    def message(self) -> str:
        why = f": {self.reason}" if self.reason else ""
        return f"No rollback method for migration step: {self.step} (plugin {self.plugin}){why}"

    @property
    def hint(self) -> str:
        remedy = "" if self.reason else "write a down for the step, or "
        return f"nothing was rolled back; {remedy}pass skip_irreversible=True (--skip-irreversible) to leave its effect in place"


@dataclass(eq=False, kw_only=True)
class UnknownRollbackTarget(MigrationError):
    """A rollback names a version, a run or a number of steps that the ledger doesn't hold."""

    plugin: str
    target: str
    known: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        return f"Plugin {self.plugin} can't be rolled back to {self.target}: the ledger holds {', '.join(self.known) or 'nothing'}"

    @property
    def hint(self) -> str:
        return "see what is applied with: roost history"


@dataclass(eq=False, kw_only=True)
class DependantApplied(MigrationError):
    """What would be rolled back is needed by something that is applied."""

    plugin: str
    dependants: tuple[str, ...]

    @property
    def message(self) -> str:
        return f"Plugin {self.plugin} can't be rolled back so far: {', '.join(self.dependants)} needs it"

    @property
    def hint(self) -> str:
        return "roll the dependants back first"


@dataclass(eq=False, kw_only=True)
class LedgerTooNew(MigrationError):
    """The ledger was written by a newer roost in a form that this one can't read."""

    found: int
    known: int

    @property
    def message(self) -> str:
        return f"The ledger in schema roost has version {self.found}; this roost reads up to {self.known}"

    @property
    def hint(self) -> str:
        return "upgrade roost: pip install -U roost"


@dataclass(eq=False, kw_only=True)
class LedgerDenied(MigrationError):
    """The role may not use the ledger, or not create it."""

    role: str
    reason: str

    @property
    def message(self) -> str:
        return f"Role {self.role} can't use the migration ledger: {self.reason}"

    @property
    def hint(self) -> str:
        return (
            "to migrate, give a role that may by Database(url, migration_url=…); only to read, let the ledger's owner run: "
            f"{_command('grant', self.role)}"
        )


@dataclass(eq=False, kw_only=True)
class LedgerMissing(MigrationError):
    """There is no migration ledger in the database yet."""

    location: str

    @property
    def message(self) -> str:
        return f"The database at {self.location} has no migration ledger yet"

    @property
    def hint(self) -> str:
        return "make it with: roost up"


@dataclass(eq=False, kw_only=True)
class LedgerNotOwned(MigrationError):
    """The role may not give others rights on the ledger, because it belongs to another role."""

    role: str
    owner: str

    @property
    def message(self) -> str:
        return f"Role {self.role} can't give rights on the migration ledger: it belongs to {self.owner}"

    @property
    def hint(self) -> str:
        return f"do it as {self.owner}: give its URL by --database-url, or by Database(url, migration_url=…)"


@dataclass(eq=False, kw_only=True)
class UnknownRole(MigrationError):
    """The server has no role of that name."""

    role: str
    suggestions: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        return f"The server has no role {self.role!r}"

    @property
    def hint(self) -> str:
        return f"did you mean {' or '.join(self.suggestions)}?" if self.suggestions else "make it first, with CREATE ROLE"


@dataclass(eq=False, kw_only=True)
class PendingMigrations(MigrationError):
    """Plugins have migrations that were not run, and the runtime was told not to run them."""

    plugins: tuple[str, ...]

    @property
    def message(self) -> str:
        return f"Plugins have pending migrations, and auto_migrate is off: {', '.join(self.plugins)}"

    @property
    def hint(self) -> str:
        return "run them with: roost up; or start all the same with Runtime(allow_unmigrated=True)"


@dataclass(eq=False, kw_only=True)
class SessionLost(MigrationError):
    """The connection of a run broke, as often as its beginning or one of its steps may be tried."""

    location: str
    attempts: int
    reason: str

    @property
    def message(self) -> str:
        times = "once" if self.attempts == 1 else f"{self.attempts} times"
        return f"The connection to {self.location} broke {times} in the same place: {self.reason}"

    @property
    def hint(self) -> str:
        return "the steps before that are applied and recorded; run again when the server is steady, and it goes on there"


@dataclass(eq=False, kw_only=True)
class RehearsalLost(MigrationError):
    """The connection of a rehearsal broke; the server rolls back what was rehearsed, as it always is."""

    location: str
    reason: str

    @property
    def message(self) -> str:
        return f"The connection to {self.location} broke during the rehearsal: {self.reason}"

    @property
    def hint(self) -> str:
        return "nothing of it is left; rehearse again when the server is steady"


# --- Declared schemas ----------------------------------------------------------------------------------------------------


class SchemaError(MigrationError):
    """A declared schema can't be read, compared or brought about."""


@dataclass(eq=False, kw_only=True)
class InvalidSchema(SchemaError):
    """What a plugin declares as its schema can't be used."""

    plugin: str
    reason: str
    file: str | None = None
    line: int | None = None

    @property
    def message(self) -> str:
        place = "" if self.file is None else f" in {_shown(self.file)}"
        line = "" if self.line is None else f", line {self.line}"
        return f"The schema of plugin {self.plugin} can't be used{place}{line}: {self.reason}"


@dataclass(eq=False, kw_only=True)
class InvalidSchemaName(SchemaError):
    """A plugin's PostgreSQL schema can't have the name that it would get."""

    plugin: str
    name: str
    reason: str

    @property
    def message(self) -> str:
        return f"Plugin {self.plugin} can't have the PostgreSQL schema {self.name!r}: {self.reason}"

    @property
    def hint(self) -> str:
        return "name another one: DeclaredSchema(…, schema='another_name')"


@dataclass(eq=False, kw_only=True)
class SchemaNameCollision(SchemaError):
    """Two plugins would get the same PostgreSQL schema without having said so."""

    name: str
    plugins: tuple[str, ...]

    @property
    def message(self) -> str:
        return f"Plugins {' and '.join(self.plugins)} would both have the PostgreSQL schema {self.name!r}"

    @property
    def hint(self) -> str:
        return "name one of them: DeclaredSchema(…, schema='another_name'); those that are to share a schema both name it"


@dataclass(eq=False, kw_only=True)
class SchemaExtraMissing(SchemaError):
    """Declared schemas need packages that are not installed."""

    package: str

    @property
    def message(self) -> str:
        return f"Declared schemas need the package {self.package}, which is not installed"

    @property
    def hint(self) -> str:
        return "pip install SQLAlchemy" if self.package == "SQLAlchemy" else "pip install 'roost[schema]'"


@dataclass(eq=False, kw_only=True)
class SchemaServiceMissing(SchemaError):
    """Plugins declare schemas, and nobody brings them about."""

    plugins: tuple[str, ...]

    @property
    def message(self) -> str:
        return f"Nobody brings about the schemas of {', '.join(self.plugins)}"

    @property
    def hint(self) -> str:
        return "add DatabaseMigrationService to the runtime: Runtime(services=[DatabaseMigrationService], …)"


@dataclass(eq=False, kw_only=True)
class ScratchUnavailable(SchemaError):
    """There is no database in which declared schemas could be tried before they are compared."""

    location: str
    role: str
    reason: str

    @property
    def message(self) -> str:
        return f"Declared schemas are tried in a scratch database first, and {self.role} can't create one at {self.location}: {self.reason}"

    @property
    def hint(self) -> str:
        return (
            f'ALTER ROLE "{self.role}" CREATEDB, or name a server of the same major version where it may: '
            "MigrationConfig(scratch_url=…), ROOST_SCRATCH_URL"
        )


@dataclass(eq=False, kw_only=True)
class SchemaPlanTimeout(SchemaError):
    """What declared schemas need was not worked out in time; nothing was changed."""

    location: str
    timeout: float

    @property
    def message(self) -> str:
        return f"What the declared schemas need at {self.location} was not worked out in {self.timeout:g} s"

    @property
    def hint(self) -> str:
        return (
            "look whether a line to the database, or to the scratch database, has fallen silent; "
            "if all it needs is time, raise MigrationConfig(schema_timeout=…)"
        )


@dataclass(eq=False, kw_only=True)
class SchemaUnsupported(SchemaError):
    """The database holds what can't be compared, or what depends on a declared schema from outside."""

    findings: tuple[str, ...]

    @property
    def message(self) -> str:
        return "The declared schemas can't be compared with the database:" + "".join(f"\n- {finding}" for finding in self.findings)

    @property
    def hint(self) -> str:
        return "make this change in a migration step, and declare what is there then; what others made has to be moved by them"


@dataclass(eq=False, kw_only=True)
class DestructiveMigrationBlocked(SchemaError):
    """A declared schema lacks what the database holds, and to remove it would lose data; nothing of the plugin was changed.

    Attributes:
        plugin: The plugin.
        losses: What would be lost, by the names that `MigrationConfig.allow_data_loss` takes.
        reasons: For each of them why.
        environment: ``"production"`` or ``"development"``; both are refused.
        renames: What looks like a rename: pairs of an old and a new name.
    """

    plugin: str
    losses: tuple[str, ...]
    reasons: tuple[str, ...] = ()
    environment: str = "production"
    renames: tuple[tuple[str, str], ...] = ()

    @property
    def message(self) -> str:
        what = "".join(
            f"\n- {loss}{f': {reason}' if reason else ''}" for loss, reason in zip_longest(self.losses, self.reasons, fillvalue="")
        )
        return f"Destructive migration blocked for {self.plugin} in {self.environment}, because data would be lost:{what}"

    @property
    def hint(self) -> str:
        names = ",".join(self.losses)
        allow = f"to lose it, name it: roost up {' '.join(f'--allow-data-loss {shlex.quote(loss)}' for loss in self.losses)}"
        code = f"MigrationConfig(allow_data_loss={{{', '.join(map(repr, self.losses))}}}), ROOST_ALLOW_DATA_LOSS={shlex.quote(names)}"
        pairs = ", ".join(f"{old!r}: {new!r}" for old, new in self.renames)
        rename = f"if it has a new name, keep it by a rename hint: DeclaredSchema(…, renames={{{pairs}}}); " if pairs else ""
        return f"{rename}{allow}; or {code}"


@dataclass(eq=False, kw_only=True)
class SchemaNotReached(SchemaError):
    """A declared schema was not there after what should have brought it about; nothing was changed.

    Attributes:
        plugin: The plugin.
        differences: What is not as it is declared, each in a few words.
        is_halfway: Whether parts of the change were committed before; only its last one was rolled back then.
    """

    plugin: str
    differences: tuple[str, ...]
    is_halfway: bool = False

    @property
    def message(self) -> str:
        return f"The schema of plugin {self.plugin} would still differ after the change:" + "".join(
            f"\n- {one}" for one in self.differences
        )

    @property
    def hint(self) -> str:
        told = "see whether an event trigger or a default of the server changes what is made; else make this change in a migration step"
        return f"{told}; parts of it were committed before, and the next run goes on from there" if self.is_halfway else told


@dataclass(eq=False, kw_only=True)
class SchemaHalfway(SchemaError):
    """A change of a declared schema whose long parts stand apart stopped between two of them; the next run goes on from there.

    Attributes:
        plugin: The plugin.
        rest: The SQL that is left to be run, part by part; the first of these failed.
        reason: Why it failed.
        reason_hint: What to do about that.
    """

    plugin: str
    rest: tuple[str, ...]
    reason: str
    reason_hint: str = ""

    @property
    def message(self) -> str:
        return f"The schema of plugin {self.plugin} is half way to what is declared: {self.reason}\nLeft to be done:" + "".join(
            f"\n- {one}" for one in self.rest
        )

    @property
    def hint(self) -> str:
        own = f"{self.reason_hint}; " if self.reason_hint else ""
        return f"{own}what is done stays, and the next run goes on from here, with this declaration or another"


@dataclass(eq=False, kw_only=True)
class SchemasFailed(FailureGroup, SchemaError):
    """The schemas of several plugins could not be brought about; those of all others were."""

    @property
    def message(self) -> str:
        count = len(self.failures)
        return (
            f"The schema{'' if count == 1 else 's'} of {count} plugin{'' if count == 1 else 's'} could not be brought about:{self._named}"
        )

    @property
    def hint(self) -> str:
        hints = {name: error.hint for name, error in self.failures if isinstance(error, RoostError) and error.hint}
        return "; ".join(f"{name}: {hint}" for name, hint in hints.items())


# --- Lint -------------------------------------------------------------------------------------------------------------


class LintError(MigrationError):
    """SQL can't be linted."""


@dataclass(eq=False, kw_only=True)
class LintExtraMissing(LintError):
    """What linting needs is not installed."""

    missing: tuple[str, ...]

    @property
    def message(self) -> str:
        return f"To lint SQL takes {' and '.join(self.missing)}, which {'is' if len(self.missing) == 1 else 'are'} not installed"

    @property
    def hint(self) -> str:
        return "pip install 'roost[sql]'"


@dataclass(eq=False, kw_only=True)
class LinterFailed(LintError):
    """The program squawk, which lints SQL, can't be used."""

    program: str
    reason: str

    @property
    def message(self) -> str:
        return f"Linting with {_shown(self.program)} failed: {self.reason}"

    @property
    def hint(self) -> str:
        return "install it anew with: pip install --force-reinstall squawk-cli; roost check --no-lint does without it"


# --- Command line: what was asked for, and what the command itself could not do -----------------------------------------


class CommandError(RoostError):
    """A command of ``roost`` was called in a way it can't follow, or could not do its own part."""


@dataclass(eq=False, kw_only=True)
class BadUsage(CommandError):
    """The options of a command don't fit each other, or one is missing."""

    reason: str
    remedy: str

    @property
    def message(self) -> str:
        return self.reason

    @property
    def hint(self) -> str:
        return self.remedy


@dataclass(eq=False, kw_only=True)
class BadProject(CommandError):
    """The table ``[tool.roost]`` of ``pyproject.toml`` can't be used."""

    path: str
    reason: str
    suggestions: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        return f"Invalid {self.path}: {self.reason}"

    @property
    def hint(self) -> str:
        if self.suggestions:
            return f"did you mean {' or '.join(self.suggestions)}?"
        return "the table [tool.roost] knows: runtime, app, database_url, demo_request, postgres_version; each is a string"


@dataclass(eq=False, kw_only=True)
class BadTarget(CommandError):
    """What was named as ``module:attribute`` is not there, or is something else."""

    target: str
    reason: str
    remedy: str = "write it as module:attribute, seen from the current directory"

    @property
    def message(self) -> str:
        return f"Can't use {self.target!r}: {self.reason}"

    @property
    def hint(self) -> str:
        return self.remedy


@dataclass(eq=False, kw_only=True)
class RollbackUnconfirmed(CommandError):
    """A rollback was not confirmed, so nothing was undone."""

    plugin: str
    steps: tuple[str, ...]
    asked: bool

    @property
    def message(self) -> str:
        why = "it was not confirmed" if self.asked else "there is no terminal to confirm it on"
        return f"Rollback of plugin {self.plugin} refused, as it may destroy data and {why}: {', '.join(self.steps)}"

    @property
    def hint(self) -> str:
        return "nothing was undone; look at it with --dry-run, and pass --yes to go ahead"


@dataclass(eq=False, kw_only=True)
class UnlockUnconfirmed(CommandError):
    """Ending the holder of the migration lock was not confirmed, so nothing was ended."""

    pid: int
    asked: bool

    @property
    def message(self) -> str:
        why = "it was not confirmed" if self.asked else "there is no terminal to confirm it on"
        return f"Unlock refused, as it ends server process {self.pid} and what it has in hand, and {why}"

    @property
    def hint(self) -> str:
        return "nothing was ended; if the holder is not at work any more, pass --yes"


@dataclass(eq=False, kw_only=True)
class ClaimUnconfirmed(CommandError):
    """What the ledger was to say by a person's word was not confirmed, so it was not written."""

    command: str
    plugin: str
    steps: tuple[str, ...]
    asked: bool

    @property
    def message(self) -> str:
        why = "it was not confirmed" if self.asked else "there is no terminal to confirm it on"
        what = f"{self.command.capitalize()} of plugin {self.plugin} refused, as the ledger is to say what no run did, and {why}"
        return f"{what}: {', '.join(self.steps)}"

    @property
    def hint(self) -> str:
        return "nothing was written; look at it with --dry-run, and pass --yes to go ahead"


@dataclass(eq=False, kw_only=True)
class PortTaken(CommandError):
    """No port could be had to serve on."""

    host: str
    port: int
    reason: str

    @property
    def message(self) -> str:
        return f"Can't serve on {self.host}:{self.port}: {self.reason}"

    @property
    def hint(self) -> str:
        return "give another --port, or none to take the next free one"


@dataclass(eq=False, kw_only=True)
class AppFailed(CommandError):
    """The ASGI application that the demo serves refused to start or to stop, and raised nothing."""

    app: str
    reason: str

    @property
    def message(self) -> str:
        return f"The application {self.app} failed: {self.reason}"


@dataclass(eq=False, kw_only=True)
class DemoRequestFailed(CommandError):
    """The demo's own request to the application was not answered as it should."""

    request: str
    reason: str

    @property
    def message(self) -> str:
        return f"The request {self.request} failed: {self.reason}"

    @property
    def hint(self) -> str:
        return "the request is demo_request in [tool.roost] of pyproject.toml; start `roost demo` without --once and look"


@dataclass(eq=False, kw_only=True)
class ScaffoldExtraMissing(CommandError):
    """Files are to be written from templates, and what fills these in is not installed."""

    package: str

    @property
    def message(self) -> str:
        return f"Writing files from templates needs the package {self.package}, which is not installed"

    @property
    def hint(self) -> str:
        return "pip install 'roost[cli]'"


@dataclass(eq=False, kw_only=True)
class UnfitName(CommandError):
    """A name, a type or an expression can't be written into a file; nothing was written."""

    what: str
    name: str
    reason: str

    @property
    def message(self) -> str:
        return f"Unfit {self.what} {_shown(self.name)}: {self.reason}"

    @property
    def hint(self) -> str:
        return "nothing was written; for what no generator can say: roost new step NAME, and write the SQL by hand"


@dataclass(eq=False, kw_only=True)
class NumberUnclear(CommandError):
    """No number can be found for a new file, so that it runs behind those that are there; nothing was written."""

    directory: str
    file: str
    reason: str

    @property
    def message(self) -> str:
        return f"No number for a new file in {self.directory} beside {_shown(self.file)}: {self.reason}"

    @property
    def hint(self) -> str:
        return "nothing was written; write the file by hand, under a name that comes last"


@dataclass(eq=False, kw_only=True)
class RenumberRefused(CommandError):
    """Steps can't get other numbers; no file was renamed."""

    directory: str
    steps: tuple[str, ...]
    reason: str

    @property
    def message(self) -> str:
        return f"Nothing is renumbered in {self.directory}: {', '.join(map(_shown, self.steps))}: {self.reason}"

    @property
    def hint(self) -> str:
        return "name the database by --database-url, or say with --keep which step keeps its number: the one that may be applied somewhere"


@dataclass(eq=False, kw_only=True)
class FilesInTheWay(CommandError):
    """Files are there already that would be written; nothing was written."""

    paths: tuple[str, ...]

    @property
    def message(self) -> str:
        return f"There already: {_listed(self.paths)}"

    @property
    def hint(self) -> str:
        return "nothing was written, and nothing is ever written over; choose another name or folder, or move them away"


@dataclass(eq=False, kw_only=True)
class FilesNotWritten(CommandError):
    """Files can't be written or renamed; what was is undone."""

    path: str
    reason: str

    @property
    def message(self) -> str:
        return f"{_shown(self.path)} can't be written: {self.reason}"

    @property
    def hint(self) -> str:
        return "no file was left behind; run it where the sources are and may be changed"
