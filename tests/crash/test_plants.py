"""The bugs that prove the harness; `make plants` plants them all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.plants import Plant, caught, planted, plants

LEAST = 30
QUICK = ("settled-at-the-beginning", "cancellation-swallowed")
SEED = 3
"""In this order of the cases both are caught within a few dozen of them."""


def test_there_are_enough() -> None:
    """Fewer would prove little."""
    assert len(plants()) >= LEAST


@pytest.mark.parametrize("plant", plants(), ids=lambda plant: plant.path.stem)
def test_each_fits_the_sources(plant: Plant, tmp_path: Path) -> None:
    """A patch that no longer applies would be missed for ever."""
    sources = planted(plant, tmp_path)
    assert (sources / "roost" / "errors.py").exists()


@pytest.mark.timeout(540)  # it runs tests of its own
@pytest.mark.parametrize("plant", [plant for plant in plants() if plant.path.stem in QUICK], ids=lambda plant: plant.path.stem)
def test_some_are_caught_every_day(plant: Plant) -> None:
    """Unit tests pass with the bug in place, and the harness finds it."""
    assert caught(plant, seed=SEED) is not None
