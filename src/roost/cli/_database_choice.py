"""Which of the places that may name a database is heard. Pure."""

from __future__ import annotations

from collections.abc import Mapping

_LIBPQ = ("PGHOST", "PGHOSTADDR", "PGDATABASE")
"""Any of them says that PostgreSQL's own variables mean a database; the rest of them, such as PGUSER, only say how to reach one."""


def chosen_database(option: str | None, *, environment: Mapping[str, str], project: str | None, has_own: bool) -> str | None:
    """Return the database URL that counts.

    That is the option, ROOST_DATABASE_URL, DATABASE_URL, the project's, and where the runtime names none itself, what PostgreSQL's own
    variables say, such as PGHOST and PGSERVICE.

    Args:
        option: What was given on the command line.
        environment: The process's environment; an empty variable counts as unset.
        project: ``database_url`` of ``[tool.roost]``.
        has_own: Whether the runtime names a database itself.

    Returns:
        A URL, or None where the runtime's own database, or its lack of one, stays.
    """
    if option is not None:
        return option
    named = environment.get("ROOST_DATABASE_URL") or environment.get("DATABASE_URL") or project
    return named if named or has_own else _by_libpqs_variables(environment)


def _by_libpqs_variables(environment: Mapping[str, str]) -> str | None:
    service = environment.get("PGSERVICE")
    if service:
        return f"service={service}"
    # The driver reads the variables itself.
    return "postgresql://" if any(environment.get(name) for name in _LIBPQ) else None
