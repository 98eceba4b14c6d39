"""Composes what is sent to the server for one step: a group of statements that is one transaction. Pure text.

A group is ``BEGIN``; limits; the ledger's function that fences and claims; the step; resets; the ledger's function that
finishes; ``COMMIT``. A pure-SQL group travels as one message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roost.migrations._fingerprint import fingerprint_of, normal_form_of
from roost.migrations._ledger import NO_FLUSH
from roost.postgres import dollar_quote, quote_identifier, quote_literal, quote_nullable

if TYPE_CHECKING:
    from roost.migrations._config import MigrationConfig
    from roost.migrations._plan import PlannedStep
    from roost.migrations._rollback import UndoneStep

DEFAULT_SCHEMA = "public"
MAX_APPLICATION_NAME_BYTES = 63
MILLISECONDS_TO_GIVE_WAY = 1000
"""For an autovacuum to end once it is told to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Whose groups these are.

    Attributes:
        run: The run's number.
        key: The lock's key.
        service: The service's name, for the history.
        plugin: The plugin's name.
        schema: The PostgreSQL schema in which the plugin's unqualified names live.
        track_history: Whether history rows are written.
        step_by_step: Whether the lock is held for a step only and not for the run, as behind a pooler that shares server processes.
        begin: What begins a transaction on the run's session.
        resets: What undoes there whatever a step has set.
    """

    run: int
    key: int
    service: str
    plugin: str
    schema: str
    track_history: bool
    step_by_step: bool
    begin: str
    resets: str

    @property
    def own_schema(self) -> str | None:
        """The schema where it is the plugin's own; others may be at work in ``public``."""
        return None if self.schema == DEFAULT_SCHEMA else self.schema

    @property
    def fence(self) -> str:
        """The statement that lets nobody but this run go on."""
        return f"SELECT roost.fence({self.run}, {self.key}, {self.step_by_step})"

    @property
    def ours(self) -> str:
        """The first arguments of functions that begin with the fence."""
        return f"{self.run}, {self.key}, {self.step_by_step}, {quote_literal(self.plugin)}"

    @property
    def kept(self) -> str:
        """The first arguments of functions that end what began with the fence."""
        return f"{self.key}, {self.step_by_step}, {quote_literal(self.plugin)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Time limits of a step, in seconds; 0 is none."""

    lock_timeout: float
    statement_timeout: float


def limits_under(config: MigrationConfig, *, lock_timeout: float | None = None, statement_timeout: float | None = None) -> Limits:
    """Return a step's own limits; those of the configuration where it has none."""
    return Limits(
        lock_timeout=config.lock_timeout if lock_timeout is None else lock_timeout,
        statement_timeout=(config.statement_timeout or 0.0) if statement_timeout is None else statement_timeout,
    )


def application_name(plugin: str, step: str) -> str:
    """Return what others see a session doing while it runs a step."""
    return f"roost {plugin}: {step}".encode()[:MAX_APPLICATION_NAME_BYTES].decode("utf-8", "ignore")


def settings(turn: Turn, limits: Limits, *, step: str, local: bool) -> str:
    """Return the settings under which a step runs: its names, its limits and what others see it doing."""
    scope = "SET LOCAL" if local else "SET"
    return (
        f"{scope} application_name = {quote_literal(application_name(turn.plugin, step))}; "
        f"{scope} lock_timeout = {round(limits.lock_timeout * 1000)}; "
        f"{scope} statement_timeout = {round(limits.statement_timeout * 1000)}; "
        # pg_temp is named last: unnamed it would come first, and a temporary table could stand in for the plugin's.
        f"{scope} search_path = {quote_identifier(turn.schema)}, pg_temp"
    )


def wait_out(limits: Limits, *, budget: float) -> str:
    """Return the settings under which a step's attempt waits until the server has ended an autovacuum that is in the way.

    It does so once somebody has waited for ``deadlock_timeout``, which only some roles may shorten. An attempt of the usual length never
    waits so long, and an autovacuum of a large table outlasts any number of them.

    Args:
        limits: The step's usual limits. That of its statements is longer by the wait, which it would cut short.
        budget: Seconds that the step may wait for locks in all; where the server lets others wait for longer, nothing is set.
    """
    # 0 is no limit, and stays so.
    longer = {
        "lock_timeout": f"greatest(wait, {round(limits.lock_timeout * 1000)})" if limits.lock_timeout else "0",
        "statement_timeout": f"{round(limits.statement_timeout * 1000)} + wait" if limits.statement_timeout else "0",
    }
    setting = ", ".join(f"pg_catalog.set_config('{name}', ({value})::text, true)" for name, value in longer.items())
    wait = f"SELECT setting::bigint + {MILLISECONDS_TO_GIVE_WAY} AS wait FROM pg_catalog.pg_settings WHERE name = 'deadlock_timeout'"
    return f"SELECT {setting} FROM ({wait}) AS w WHERE wait <= {round(budget * 1000)}"


def execute(sql: str) -> str:
    """Wrap a step's SQL so that its errors stay its own.

    As a literal its syntax errors end only its own group and carry positions within it, an open quote can't swallow what
    follows, and the server refuses COMMIT, ROLLBACK, SAVEPOINT and COPY FROM STDIN before any effect.
    """
    return f"DO {dollar_quote(f'BEGIN EXECUTE {dollar_quote(sql)}; END')}"


def open_up(turn: Turn, planned: PlannedStep, limits: Limits, *, planned_on: str | None, state: str, is_first: bool) -> str:
    """Return the beginning of a step's transaction, up to the step itself.

    Args:
        turn: Whose step it is.
        planned: The step.
        limits: Its time limits.
        planned_on: The head's hash that the ledger must have, or the plan no longer fits.
        state: What the claim says until the step is finished.
        is_first: Whether it is the first step of its turn, before which it is noted what the plugin's own schema holds.
    """
    begun = f"{turn.begin}; {claim(turn, planned, planned_on=planned_on, state=state)}"
    begun = f"{begun}; {settings(turn, limits, step=planned.step.id, local=True)}"
    if is_first and turn.own_schema is not None:
        texts = f"{quote_literal(turn.plugin)}, {quote_literal(planned.step.id)}, {quote_literal(turn.own_schema)}"
        begun = f"{begun}; SELECT roost.note_shape({texts})"
    return begun


def claim(turn: Turn, planned: PlannedStep, *, planned_on: str | None, state: str) -> str:
    """Return the statement that fences a step's transaction and writes the step's row; arguments as of `open_up`."""
    step = planned.step
    return (
        f"SELECT roost.begin_step({turn.ours}, {quote_nullable(planned_on)}, {quote_literal(step.id)}, "
        f"{quote_literal(planned.version)}, '{state}', {quote_literal(fingerprint_of(step))}, "
        f"{quote_nullable(normal_form_of(step))}, '{planned.chain}', {step.breaking}, {requires(planned)}, {stored_down(planned)})"
    )


def close_up(turn: Turn, planned: PlannedStep, *, attempts: int, flush: bool) -> str:
    """Return the end of a step's transaction, after the step itself.

    Args:
        turn: Whose step it is.
        planned: The step.
        attempts: How often it was tried.
        flush: Whether COMMIT waits for the disk. Where a later commit of the run does, this one need not: that one flushes both, and
            a crash of the server before it takes a step together with its record.
    """
    finish = (
        f"SELECT roost.finish_step({turn.kept}, {quote_literal(planned.step.id)}, "
        f"{quote_nullable(planned.version_after)}, '{planned.chain}')"
    )
    # After the resets, which would undo it.
    patience = "" if flush else f"{NO_FLUSH}; "
    return f"{turn.resets}; {patience}{finish}; {_success(turn, planned, attempts=attempts)}COMMIT"


def finish_intent(turn: Turn, planned: PlannedStep, *, attempts: int, took: float, verify: str = "") -> str:
    """Return the transaction that ends a step which ran outside one, once what it did is verified (`verify`)."""
    finish = (
        f"SELECT roost.finish_intent({turn.run}, {turn.key}, {quote_literal(turn.plugin)}, {quote_literal(planned.step.id)}, "
        f"{quote_nullable(planned.version_after)}, '{planned.chain}')"
    )
    return f"{turn.resets}; {turn.begin}; {verify}{finish}; {_success(turn, planned, attempts=attempts, took=took)}COMMIT"


def _success(turn: Turn, planned: PlannedStep, *, attempts: int, took: float | None = None) -> str:
    checksum = fingerprint_of(planned.step)
    return record(turn, step=planned.step.id, version=planned.version, direction="up", attempts=attempts, took=took, checksum=checksum)


def forget_intent(turn: Turn, planned: PlannedStep) -> str:
    """Return the transaction that takes back the intent of a step that surely had no effect."""
    return (
        f"{turn.resets}; {turn.begin}; {turn.fence}; DELETE FROM roost.applied "
        f"WHERE plugin = {quote_literal(turn.plugin)} AND step = {quote_literal(planned.step.id)} AND state = 'intent'; COMMIT"
    )


def open_down(turn: Turn, undone: UndoneStep, limits: Limits, *, planned_on: str | None) -> str:
    """Return the beginning of the transaction that undoes a step; arguments as of `open_up`."""
    step = undone.row.step
    mark = f"SELECT roost.begin_undo({turn.ours}, {quote_nullable(planned_on)}, {quote_literal(step)}, {_by_function(undone)})"
    return f"{turn.begin}; {mark}; {settings(turn, limits, step=step, local=True)}"


def close_down(turn: Turn, undone: UndoneStep, *, attempts: int, flush: bool) -> str:
    """Return the end of the transaction that undoes a step; arguments as of `close_up`."""
    row = undone.row
    finish = (
        f"SELECT roost.finish_undo({turn.kept}, {quote_literal(row.step)}, {_by_function(undone)}, "
        f"{quote_nullable(undone.version_after)}, {quote_nullable(undone.chain_after)})"
    )
    done = record(turn, step=row.step, version=row.version, direction="down", attempts=attempts, took=None, checksum=row.fingerprint)
    return f"{turn.resets}; {'' if flush else f'{NO_FLUSH}; '}{finish}; {done}COMMIT"


def _by_function(undone: UndoneStep) -> bool:
    return not isinstance(undone.down, str)


def reach(turn: Turn, *, version: str, chain: str, planned_on: str | None) -> str:
    """Return the transaction that moves a plugin to a version which needs no step."""
    check = f"SELECT roost.check_plan({quote_literal(turn.plugin)}, {quote_nullable(planned_on)}, '{{}}')"
    move = f"SELECT roost.move_head({quote_literal(turn.plugin)}, {quote_literal(version)}, {quote_nullable(chain or None)})"
    done = record(turn, step=None, version=version, direction="up", attempts=1, took=None, checksum=None)
    return f"{turn.begin}; {turn.fence}; {check}; {move}; {done}COMMIT"


def fail(turn: Turn, *, step: str, version: str, direction: str, error: str, attempts: int, took: float, checksum: str) -> str:
    """Return the transaction that records a failed step."""
    row = record(
        turn,
        step=step,
        version=version,
        direction=direction,
        error=error,
        attempts=attempts,
        took=took,
        checksum=checksum,
    )
    return f"{turn.begin}; {turn.fence}; {row}COMMIT"


def escape(turn: Turn, planned: PlannedStep) -> str:
    """Return the statement that leaves a trace of a step which rolled its own transaction back, its claim with it."""
    step = planned.step
    return (
        f"{turn.resets}; {turn.begin}; {turn.fence}; INSERT INTO roost.applied "
        "(plugin, step, version, state, fingerprint, chain, breaking, requires, down_sql, run) VALUES "
        f"({quote_literal(turn.plugin)}, {quote_literal(step.id)}, {quote_literal(planned.version)}, 'escaped', "
        f"{quote_literal(fingerprint_of(step))}, '{planned.chain}', {step.breaking}, {requires(planned)}, {stored_down(planned)}, "
        f"{turn.run}) ON CONFLICT DO NOTHING; COMMIT"
    )


def requires(planned: PlannedStep) -> str:
    """Return the array of what a step requires."""
    return "ARRAY[" + ", ".join(quote_literal(name) for name in planned.step.requires) + "]::text[]"


def stored_down(planned: PlannedStep) -> str:
    """Return the way back that the ledger keeps: SQL, else NULL."""
    down = planned.step.down
    return quote_nullable(down if isinstance(down, str) else None)


def clean_up(turn: Turn) -> str:
    """Return what follows the ROLLBACK of a failed attempt, which takes back everything but what belongs to the session."""
    clean = f"SELECT roost.clean_session({turn.key}, {turn.step_by_step})"
    # Where processes are shared nothing of the run is in the session, and the process is still ours for this message.
    return clean if turn.step_by_step else f"{turn.begin}; {turn.fence}; {clean}; COMMIT"


def create_schema(turn: Turn) -> str:
    """Return the transaction that makes the plugin's schema where it is missing.

    ``CREATE SCHEMA IF NOT EXISTS`` asks for the right to create before it looks, which a role with all it needs may lack.
    """
    return f"{turn.begin}; {turn.fence}; {make_schema(turn.schema)}; COMMIT"


def make_schema(schema: str) -> str:
    """Return the statement that makes a schema where it is missing."""
    make = quote_literal(f"CREATE SCHEMA {quote_identifier(schema)}")
    body = f"BEGIN IF pg_catalog.to_regnamespace({quote_literal(quote_identifier(schema))}) IS NULL THEN EXECUTE {make}; END IF; END"
    return f"DO {dollar_quote(body)}"


def record(
    turn: Turn,
    *,
    step: str | None,
    version: str,
    direction: str,
    attempts: int,
    took: float | None,
    checksum: str | None,
    error: str | None = None,
) -> str:
    """Return the statement that writes a history row, with its semicolon; nothing where history is off."""
    if not turn.track_history:
        return ""
    return (
        f"SELECT roost.record({turn.run}, {quote_literal(turn.service)}, {quote_literal(turn.plugin)}, {quote_nullable(step)}, "
        f"{quote_literal(version)}, '{direction}', {error is None}, {quote_nullable(error)}, {attempts}, "
        f"{'NULL' if took is None else took}, {quote_nullable(checksum)}); "
    )
