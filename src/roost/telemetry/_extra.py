"""Says what to install where a library that an extra brings is not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from roost.errors import TelemetryExtraMissing


@contextmanager
def needing(package: str, *, extra: str) -> Iterator[None]:
    """Let an import inside the block fail with what to install.

    Args:
        package: The package's name for Python.
        extra: The extra that brings it.

    Raises:
        TelemetryExtraMissing: The package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != package:
            raise
        raise TelemetryExtraMissing(package=package, extra=extra) from error
