"""A run's own side of the ledger: the lock is asked for and a run opened, the ledger made or upgraded first; and the run closed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Literal, TypeAlias

from roost.errors import LedgerDenied, LedgerTooNew
from roost.migrations._ledger import (
    BUSY,
    LEDGER_VERSION,
    MOVED_ON,
    NO_FLUSH,
    NO_RIGHT,
    NO_SUCH_COLUMN,
    NO_SUCH_FUNCTION,
    NO_SUCH_TABLE,
    NOT_A_LEDGER,
    SCHEMA_EXISTS,
    denied,
    role,
)
from roost.postgres import CHANNEL, dollar_quote, quote_literal, quote_nullable, sqlstate_of

if TYPE_CHECKING:
    from roost.postgres import MigrationSession

FIRST_NUMBER = 1
"""The number of the run that made the ledger, by which its sequence begins."""

POOLED = "RST05"
"""SQLSTATE where another server process answers than the one that greeted us."""

UNCLEAR = NO_SUCH_TABLE | {NO_SUCH_COLUMN, NO_SUCH_FUNCTION, NO_RIGHT, SCHEMA_EXISTS}
"""SQLSTATEs that say that the ledger is older, or none, or not ours to use: found out step by step."""

FUNCTIONS = ("functions", "shape")
"""The scripts that make the ledger's functions."""

# Queries and not to_regclass: they see what was committed before the lock was granted.
_MADE = (
    "EXISTS (SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace "
    "WHERE n.nspname = 'roost' AND c.relname = 'meta')"
)
_IS_OURS = f"schema_version = {LEDGER_VERSION} AND oldest_reader <= {LEDGER_VERSION}"
_UPGRADED = f"(SELECT schema_version FROM roost.meta) >= {LEDGER_VERSION}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Whose run it is: its id, and the host, process, application version and trace that other people see in the ledger."""

    run_id: str
    host: str
    pid: int
    application_version: str
    trace_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedRun:
    """A run's number, and whether the ledger was made for it just now, so that nothing stands in it."""

    number: int
    is_ledger_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """On what a plugin is found settled, if it still stands there.

    Attributes:
        declaration: The digest of what the code declares.
        head: The chain's hash, as this run has left it.
        repeatable: The id and the fingerprint of each repeatable step that is declared.
    """

    declaration: str
    head: str | None
    repeatable: tuple[tuple[str, str], ...] = ()


Answer: TypeAlias = Literal["opened", "granted", "refused", "pooled", "unclear"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What came of asking for the lock and for a run at once.

    Attributes:
        answer: ``"opened"``; ``"granted"``, the lock without a run; ``"refused"``; ``"pooled"``, where nothing was asked for because
            another server process answers than the one that greeted us; ``"unclear"``, where that has to be found out step by step.
        opened: The run.
    """

    answer: Answer
    opened: OpenedRun | None = None


async def enter(session: MigrationSession, *, key: int, exists: bool, who: Who) -> Entry:
    """Ask for the lock and, where it is granted, open a run: one round trip, on an empty database too.

    Behind a pooler the lock would stay with a server process that is not ours, so it is asked for only by the one that greeted us.

    Args:
        session: The run's session.
        key: The lock's key.
        exists: Whether the ledger was seen before.
        who: Whose run it is.

    Raises:
        Exception: As the driver raises it.
    """
    try:
        return await (_enter_ledger(session, key, who) if exists else _enter_nothing(session, key, who))
    except Exception as error:
        if sqlstate_of(error) not in UNCLEAR:
            raise
        return Entry(answer="unclear")


async def _enter_ledger(session: MigrationSession, key: int, who: Who) -> Entry:
    # A subquery that is not taken apart: the lock is asked for once, and before anything is opened.
    ask = (
        f"SELECT CASE WHEN pg_catalog.pg_backend_pid() = {session.greeted_by} "
        f"THEN pg_catalog.pg_try_advisory_lock({key}) END AS granted OFFSET 0"
    )
    opening = f"CASE WHEN ask.granted AND {_IS_OURS} THEN {_opening(session, who)} END"
    rows = await session.rows(f"SELECT ask.granted, {opening}{session.lifting} FROM roost.meta CROSS JOIN ({ask}) AS ask")
    if not rows:
        return Entry(answer="unclear")
    granted, number = rows[0][:2]
    if granted != "t":
        return Entry(answer="pooled" if granted is None else "refused")
    if number is None:
        return Entry(answer="granted")
    return Entry(answer="opened", opened=OpenedRun(number=int(number), is_ledger_new=False))


async def _enter_nothing(session: MigrationSession, key: int, who: Who) -> Entry:
    guard = (
        f"BEGIN IF pg_catalog.pg_backend_pid() <> {session.greeted_by} THEN "
        f"RAISE EXCEPTION 'a pooler is in between' USING ERRCODE = '{POOLED}'; END IF; "
        f"IF NOT pg_catalog.pg_try_advisory_lock({key}) THEN "
        f"RAISE EXCEPTION 'another run is at work' USING ERRCODE = '{BUSY}'; END IF; "
        f"IF {_MADE} THEN RAISE EXCEPTION 'another run was quicker' USING ERRCODE = '{MOVED_ON}'; END IF; END"
    )
    try:
        await session.execute(
            f"{session.begin}; SELECT NULL{session.lifting}; {NO_FLUSH}; SET LOCAL check_function_bodies = off; DO {dollar_quote(guard)};\n"
            f"{_scripts('tables', *FUNCTIONS)}\nSELECT {_opening(session, who)};\nCOMMIT"
        )
    except Exception as error:
        if session.is_open:
            await session.rollback()
        answers: dict[str | None, Answer] = {POOLED: "pooled", BUSY: "refused", MOVED_ON: "granted"}
        answer = answers.get(sqlstate_of(error))
        if answer is None:
            raise
        return Entry(answer=answer)
    return Entry(answer="opened", opened=OpenedRun(number=FIRST_NUMBER, is_ledger_new=True))


def _opening(session: MigrationSession, who: Who) -> str:
    texts = f"{quote_literal(who.run_id)}, {quote_literal(who.host)}, {who.pid}, {quote_literal(who.application_version)}"
    return f"roost.open_run({texts}, {quote_nullable(who.trace_id)}, {session.shares_server_process})"


def _scripts(*names: str) -> str:
    folder = files(__package__).joinpath("sql")
    return "\n".join(folder.joinpath(f"{name}.sql").read_text("utf-8") for name in names)


async def open_run(session: MigrationSession, *, key: int, exists: bool, who: Who) -> OpenedRun:
    """Open a run. Make the ledger where there is none, and bring an older one to this version first, under the lock's key.

    ``IF NOT EXISTS`` alone would race. Under the lock of a whole run, those that a dead process left open are closed.

    Args:
        session: The run's session.
        key: The lock's key.
        exists: Whether the ledger was seen before.
        who: Whose run it is.

    Raises:
        LedgerTooNew: It is of a form that this roost can't write.
        LedgerDenied: The role may not create or use it, or it is no ledger.
        Exception: SQLSTATE `BUSY` where another run is at work.
    """
    opening = _opening(session, who)
    try:
        if not exists and await _unless(_MADE, session, key, "tables", *FUNCTIONS, then=f"SELECT {opening};"):
            return OpenedRun(number=FIRST_NUMBER, is_ledger_new=True)
        number = await _opened(session, opening)
        if number is None:
            await _unless(_UPGRADED, session, key, "upgrade", *FUNCTIONS)
            number = await _opened(session, opening)
    except Exception as error:
        state = sqlstate_of(error)
        if state == NO_RIGHT:
            raise await denied(session, error) from error
        if state in NO_SUCH_TABLE or state in (SCHEMA_EXISTS, NO_SUCH_COLUMN):
            raise LedgerDenied(role=await role(session), reason=NOT_A_LEDGER) from error
        raise
    return OpenedRun(number=number or 0, is_ledger_new=False)


async def _opened(session: MigrationSession, opening: str) -> int | None:
    """Open a run in a ledger of this version and return its number; None where the ledger is older."""
    try:
        rows = await session.rows(f"SELECT schema_version, oldest_reader, CASE WHEN {_IS_OURS} THEN {opening} END FROM roost.meta")
    except Exception as error:
        if sqlstate_of(error) != NO_SUCH_FUNCTION:
            raise
        rows = await session.rows("SELECT schema_version, oldest_reader, NULL FROM roost.meta")
    if not rows:
        raise LedgerDenied(role=await role(session), reason=NOT_A_LEDGER)
    found, oldest, number = rows[0]
    if int(found or 0) > LEDGER_VERSION or int(oldest or 0) > LEDGER_VERSION:
        raise LedgerTooNew(found=int(found or 0), known=LEDGER_VERSION)
    if number is None and int(found or 0) == LEDGER_VERSION:
        raise LedgerDenied(role=await role(session), reason="functions of the ledger are missing")
    return None if number is None else int(number)


async def _unless(condition: str, session: MigrationSession, key: int, *scripts: str, then: str = "") -> bool:
    """Run scripts in one transaction under the lock's key, and tell whether that was done: not where another run was quicker.

    It does not wait for the disk: the first step that does takes this along. Nor does it check the bodies of functions, which tests do.
    """
    guard = (
        f"BEGIN IF NOT pg_catalog.pg_try_advisory_xact_lock({key}) THEN "
        f"RAISE EXCEPTION 'another run is at work' USING ERRCODE = '{BUSY}'; END IF; "
        f"IF {condition} THEN RAISE EXCEPTION 'another run was quicker' USING ERRCODE = '{MOVED_ON}'; END IF; END"
    )
    try:
        await session.execute(
            f"{session.begin}; {NO_FLUSH}; SET LOCAL check_function_bodies = off; DO {dollar_quote(guard)};\n"
            f"{_scripts(*scripts)}\n{then}\nCOMMIT"
        )
    except BaseException as error:
        await session.rollback()
        if sqlstate_of(error) != MOVED_ON:
            raise
        return False
    return True


async def close_run(session: MigrationSession, *, number: int, key: int, settled: Mapping[str, Settled]) -> None:
    """Settle the plugins whose declarations are satisfied, close the run, give the lock back and wake who waits: one message.

    Args:
        session: The run's session.
        number: The run's number.
        key: The lock's key.
        settled: What each satisfied plugin is settled on.

    Raises:
        Exception: As the driver raises it, SQLSTATE `BUSY` where another run is at work.
    """
    try:
        await session.execute(closing(session, number=number, key=key, settled=settled))
    except BaseException as error:
        if sqlstate_of(error) == BUSY:
            await session.rollback()
        else:
            session.terminate()
        raise


def closing(session: MigrationSession, *, number: int, key: int, settled: Mapping[str, Settled]) -> str:
    """Return what closes a run: one transaction, and the lock given back behind it. Arguments as of `close_run`."""
    settle = "".join(
        f"SELECT roost.settle({quote_literal(name)}, {quote_literal(one.declaration)}, {quote_nullable(one.head)}, "
        f"{_texts(step for step, _ in one.repeatable)}, {_texts(fingerprint for _, fingerprint in one.repeatable)}); "
        for name, one in settled.items()
    )
    unlock = "" if session.shares_server_process else f"; SELECT pg_catalog.pg_advisory_unlock({key})"
    return (
        f"{session.begin}; SELECT roost.fence({number}, {key}, {session.shares_server_process}); {settle}"
        f"UPDATE roost.run SET open = false, finished_at = pg_catalog.clock_timestamp() WHERE number = {number}; "
        f"NOTIFY {CHANNEL}; COMMIT{unlock}"
    )


def _texts(values: Iterable[str]) -> str:
    return f"ARRAY[{', '.join(map(quote_literal, values))}]::text[]"


async def release(session: MigrationSession, *, key: int) -> None:
    """Give back the lock of a run that was never opened, because the ledger refused it, and wake who waits.

    Raises:
        Exception: As the driver raises it.
    """
    await session.execute(f"SELECT pg_catalog.pg_advisory_unlock({key}); NOTIFY {CHANNEL}")
