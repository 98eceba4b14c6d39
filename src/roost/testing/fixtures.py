"""Fixtures for pytest: ``pytest_plugins = ["roost.testing.fixtures"]`` in a ``conftest.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from roost.testing import _faults

Make = Callable[..., type[Any]]


@pytest.fixture
def fail_start() -> Make:
    """`roost.testing.fail_start`."""
    return _faults.fail_start


@pytest.fixture
def hang_start() -> Make:
    """`roost.testing.hang_start`."""
    return _faults.hang_start


@pytest.fixture
def fail_stop() -> Make:
    """`roost.testing.fail_stop`."""
    return _faults.fail_stop


@pytest.fixture
def hang_stop() -> Make:
    """`roost.testing.hang_stop`."""
    return _faults.hang_stop


@pytest.fixture
def crash_after() -> Make:
    """`roost.testing.crash_after`."""
    return _faults.crash_after
