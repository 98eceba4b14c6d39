"""Patience with a machine that is busy with others: what counts seconds there, and is not what a test tries, does not count them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.plugins.build import BOUND


@pytest.fixture(scope="session", autouse=True)
def _patience() -> Iterator[None]:
    """Nobody takes a process that waits for its turn for a slow listener, or for a pooler that has no connection to give."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("roost.runtime._event_bus.SLOW_SECONDS", BOUND)
        patch.setattr("roost.postgres._pooler.SECOND_CONNECTION_SECONDS", BOUND)
        yield
