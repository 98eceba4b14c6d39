"""What ``roost doctor`` makes of what it sees: each thing fine, to be known, or to be mended, and how. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from rich.text import Text

from roost.cli._table_form import plain_table
from roost.cli._words import counted

if TYPE_CHECKING:
    from rich.table import Table

    from roost.cli._requirements import ExtraState
    from roost.migrations import DatabaseExamination, StepsCheck

Verdict: TypeAlias = Literal["fine", "warning", "wrong"]

OLDEST_SERVER = 14
"""The oldest major version of PostgreSQL that migrations are tried on."""

SCHEMA_EXTRA = "schema"
_STYLES: dict[Verdict, str] = {"fine": "green", "warning": "yellow", "wrong": "red"}
_FULL = 0.9
"""From this share of the connections on, a start of many replicas may find none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: What, in one word.
        verdict: Whether it is fine, to be known, or wrong.
        message: What was seen.
        remedy: What to do; empty where nothing is to be done.
    """

    check: str
    verdict: Verdict
    message: str
    remedy: str = ""


def of_packages(extras: Sequence[ExtraState], *, versions: str) -> Iterator[Finding]:
    """Judge what is installed.

    Args:
        extras: Each extra, and what of it is missing or of a version that roost was not tried with.
        versions: Those of Python and of what roost stands on, as text.
    """
    yield Finding(check="versions", verdict="fine", message=versions)
    for extra in extras:
        if extra.unfit:
            yield Finding(
                check="packages",
                verdict="warning",
                message=f"the extra {extra.name} is tried with other versions: {', '.join(extra.unfit)}",
                remedy=f"pip install --upgrade {extra.requirement}",
            )
    there = [extra.name for extra in extras if not extra.missing]
    absent = [extra.name for extra in extras if extra.missing]
    message = f"there: {', '.join(there) or 'none'}" + (f"; not there: {', '.join(absent)}" if absent else "")
    yield Finding(check="extras", verdict="fine", message=message)


def of_declared_schemas(extras: Sequence[ExtraState], *, plugins: Sequence[str]) -> Iterator[Finding]:
    """Judge whether declared schemas can be brought about.

    Args:
        extras: As above.
        plugins: The plugins that declare one.
    """
    for extra in extras:
        if plugins and extra.name == SCHEMA_EXTRA and extra.missing:
            yield Finding(
                check="schemas",
                verdict="wrong",
                message=f"{', '.join(plugins)} declare a schema, and {', '.join(extra.missing)} is not installed",
                remedy=f"pip install {extra.requirement}",
            )


def of_steps(checks: Sequence[StepsCheck]) -> Iterator[Finding]:
    """Judge the plugins' steps, as ``roost check`` does."""
    wrong = [check for check in checks if check.error is not None]
    for check in wrong:
        yield Finding(check="steps", verdict="wrong", message=f"{check.plugin}: {check.error}".partition("\n")[0], remedy="see roost check")
    if not wrong:
        count = sum(check.steps or 0 for check in checks)
        told = f"{counted(count, 'step')} of {counted(len(checks), 'service')}"
        yield Finding(check="steps", verdict="fine", message=f"{told}, {'which' if count == 1 else 'all of which'} can be loaded")


def of_database(seen: DatabaseExamination, *, declares_schema: bool) -> Iterator[Finding]:
    """Judge what the database says of itself."""
    yield _connection(seen)
    yield _server(seen)
    yield _pooler(seen)
    yield _rights(seen)
    yield _ledger(seen)
    yield from _application(seen)
    if declares_schema:
        yield _scratch(seen)
    yield _room(seen)
    yield from _long_transactions(seen)


def _connection(seen: DatabaseExamination) -> Finding:
    line = {True: "encrypted", False: "not encrypted", None: "encryption unknown behind the pooler"}[seen.is_encrypted]
    message = f"{seen.location} as {seen.role}, {line}, round trip {seen.round_trip * 1000:.1f} ms"
    if seen.is_encrypted is False and not _is_near(seen.location):
        return Finding(
            check="connection",
            verdict="warning",
            message=message,
            remedy="add sslmode=verify-full to the address, if others share the network",
        )
    return Finding(check="connection", verdict="fine", message=message)


def _is_near(location: str) -> bool:
    """Tell whether a location is on this machine: a socket's directory, localhost, or a loopback address."""
    host = location.partition("/")[0].rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in ("", "localhost")


def _server(seen: DatabaseExamination) -> Finding:
    message = f"PostgreSQL {seen.server_version}"
    if seen.is_standby:
        return Finding(
            check="server",
            verdict="wrong",
            message=f"{message}, a standby, which takes no changes",
            remedy="name the primary, or add target_session_attrs=primary to an address of several hosts",
        )
    if seen.server_version_num // 10_000 < OLDEST_SERVER:
        return Finding(check="server", verdict="wrong", message=message, remedy=f"roost is tried on PostgreSQL {OLDEST_SERVER} and later")
    odd = []
    if not seen.is_durable:
        odd.append("fsync is off, so a crash of the machine may undo what was done, or break it")
    if seen.server_encoding != "UTF8":
        odd.append(f"its encoding is {seen.server_encoding}, so names and texts outside of it are refused")
    if seen.pooling is None and not seen.notices_gone_clients:
        odd.append("it can't see during a statement that its client is gone, so a killed run keeps the lock until that ends")
    return Finding(check="server", verdict="warning" if odd else "fine", message="; ".join((message, *odd)))


def _pooler(seen: DatabaseExamination) -> Finding:
    if seen.pooling is None:
        return Finding(check="pooler", verdict="fine", message="none is in between")
    if seen.pooling == "session":
        return Finding(check="pooler", verdict="fine", message="one is in between, and keeps a server process for each client")
    return Finding(
        check="pooler",
        verdict="warning",
        message="one is in between, and shares server processes: each step takes the lock for itself, and a step outside a transaction "
        "and a changed schema are refused",
        remedy="give migrations a direct line: Database(url, migration_url=…)",
    )


def _rights(seen: DatabaseExamination) -> Finding:
    if seen.may_create_schemas:
        return Finding(check="rights", verdict="fine", message=f"{seen.role} may create schemas")
    needs_it = seen.ledger_owner is None
    return Finding(
        check="rights",
        verdict="wrong" if needs_it else "warning",
        message=f"{seen.role} may not create schemas" + (", and the ledger is to be one" if needs_it else ""),
        remedy=f"GRANT CREATE ON DATABASE … TO {seen.role}, as its owner",
    )


def _ledger(seen: DatabaseExamination) -> Finding:
    if seen.ledger_owner is None:
        return Finding(check="ledger", verdict="fine", message="none yet; the first roost up makes it")
    if seen.ledger_is_too_new:
        return Finding(
            check="ledger",
            verdict="wrong",
            message=f"version {seen.ledger_version} is for a newer roost",
            remedy="upgrade roost: pip install --upgrade roost",
        )
    if not seen.ledger_is_ours:
        return Finding(
            check="ledger",
            verdict="wrong",
            message=f"it belongs to {seen.ledger_owner}, so {seen.role} can't migrate",
            remedy=f"migrate as {seen.ledger_owner}, or GRANT {seen.ledger_owner} TO {seen.role}",
        )
    if seen.ledger_version is None:
        return Finding(
            check="ledger",
            verdict="wrong",
            message="the schema roost is no ledger, or one that can't be read",
            remedy="look at it with \\d roost.* in psql; roost wants that name for itself",
        )
    return Finding(check="ledger", verdict="fine", message=f"version {seen.ledger_version}, of {seen.ledger_owner}")


def _application(seen: DatabaseExamination) -> Iterator[Finding]:
    if seen.application_role is None:
        return
    if seen.application_reads_ledger is False:
        yield Finding(
            check="application",
            verdict="wrong",
            message=f"its role {seen.application_role} may not read the ledger, so it can't see that nothing is to be done",
            remedy=f"roost grant {seen.application_role}",
        )
    else:
        yield Finding(check="application", verdict="fine", message=f"its role is {seen.application_role}")


def _scratch(seen: DatabaseExamination) -> Finding:
    if seen.may_create_databases:
        return Finding(check="scratch", verdict="fine", message=f"{seen.role} may create the scratch database that a changed schema needs")
    return Finding(
        check="scratch",
        verdict="warning",
        message=f"{seen.role} may not create the scratch database that a changed schema needs",
        remedy=f"ALTER ROLE {seen.role} CREATEDB, or name another server by ROOST_SCRATCH_URL, or pip install 'roost[embedded]'",
    )


def _room(seen: DatabaseExamination) -> Finding:
    message = f"{seen.connections} of {seen.max_connections} are in use"
    if seen.connections < _FULL * seen.max_connections:
        return Finding(check="connections", verdict="fine", message=message)
    return Finding(
        check="connections",
        verdict="warning",
        message=message,
        remedy="a run needs one beside the application's pool: raise max_connections, or make the pools smaller",
    )


def _long_transactions(seen: DatabaseExamination) -> Iterator[Finding]:
    for one in seen.long_transactions:
        name = f" ({one.application_name})" if one.application_name else ""
        yield Finding(
            check="transactions",
            verdict="warning",
            message=f"process {one.pid}{name} has had one open for {one.seconds} s; index builds and changes of its tables wait for it",
            remedy=f"let it end, or SELECT pg_terminate_backend({one.pid})",
        )


def findings_table(findings: Sequence[Finding]) -> Table:
    """Draw the findings, each with what to do about it."""
    table = plain_table("Examined", "check", "verdict", "what was seen")
    for one in findings:
        seen = Text(one.message)
        if one.remedy:
            seen.append(f"\nhint: {one.remedy}", style="bold")
        table.add_row(Text(one.check), Text(one.verdict, style=_STYLES[one.verdict]), seen)
    return table
