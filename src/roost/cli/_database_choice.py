"""Which of the places that may name a database is heard. Pure."""

from __future__ import annotations

from collections.abc import Mapping


def chosen_database(option: str | None, *, environment: Mapping[str, str], project: str | None) -> str | None:
    """Return the database URL that counts: the option, ROOST_DATABASE_URL, DATABASE_URL, then the project's.

    Args:
        option: What was given on the command line.
        environment: The process's environment; an empty variable counts as unset.
        project: ``database_url`` of ``[tool.roost]``.

    Returns:
        A URL, or None where the runtime's own database stays.
    """
    if option is not None:
        return option
    return environment.get("ROOST_DATABASE_URL") or environment.get("DATABASE_URL") or project
