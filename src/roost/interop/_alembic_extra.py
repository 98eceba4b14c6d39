"""Imports alembic and SQLAlchemy by name, only where something of them is needed, and says what to install where they are not there."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from roost.errors import AlembicExtraMissing

_PACKAGES = ("alembic", "sqlalchemy")


def of_extra(module: str) -> Any:  # noqa: ANN401 -- a module of a package that need not be installed
    """Return a module of what the extra ``alembic`` brings.

    Args:
        module: Its dotted name.

    Raises:
        AlembicExtraMissing: The package is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _PACKAGES:
            raise
        raise AlembicExtraMissing(package=package) from error
