from __future__ import annotations

import pytest

from roost import PluginMigrationService
from roost.migrations._protocol import keeps_ledger

MEMBERS = ("service_name", "plugin_name", "declaration", "plan", "target_version")


class Bare:
    """Has what is given to it, on the instance alone."""

    def __init__(self, *names: str) -> None:
        for name in names:
            setattr(self, name, lambda *_: None)


def test_a_service_keeps_the_ledger_by_what_it_has() -> None:
    """The base class is not needed: all members are, wherever they come from."""
    assert keeps_ledger(PluginMigrationService())
    assert keeps_ledger(Bare(*MEMBERS))


@pytest.mark.parametrize("missing", MEMBERS)
def test_a_service_that_lacks_a_member_keeps_no_ledger(missing: str) -> None:
    """Each of the members is needed."""
    assert not keeps_ledger(Bare(*(name for name in MEMBERS if name != missing)))
