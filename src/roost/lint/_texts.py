"""Takes the SQL out of steps. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from roost.lint._finding import LintText
from roost.migrations import DeclaredSteps, SqlText

_PACKAGES = frozenset({"site-packages", "dist-packages"})
"""Folders into which Python installs packages."""


def texts_of(declared: Sequence[DeclaredSteps]) -> list[list[LintText]]:
    """Return the SQL of steps, service by service: of versioned steps in their order, then of repeatable ones."""
    return [[*_versioned(service), *(_text(step.up, step.id, service) for step in service.repeatable)] for service in declared]


def functions_of(declared: Sequence[DeclaredSteps]) -> list[tuple[str | None, str]]:
    """Return the steps that are Python functions, each as its plugin and its id."""
    return [(service.plugin, step.id) for service in declared for step in service.steps if not isinstance(step.up, str)]


def _versioned(service: DeclaredSteps) -> Iterable[LintText]:
    for step in service.steps:
        if isinstance(step.up, str):
            yield _text(step.up, step.id, service, transactional=step.transactional, breaking=step.breaking)


def _text(sql: str, step: str, service: DeclaredSteps, *, transactional: bool = True, breaking: bool = False) -> LintText:
    path = sql.path if isinstance(sql, SqlText) else None
    source = path or service.source
    return LintText(
        sql=sql,
        path=path,
        first_line=sql.first_line if isinstance(sql, SqlText) else 1,
        plugin=service.plugin,
        step=step,
        transactional=transactional,
        breaking=breaking,
        is_installed=source is not None and not _PACKAGES.isdisjoint(source.parts),
    )
