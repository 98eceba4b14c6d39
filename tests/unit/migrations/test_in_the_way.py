from __future__ import annotations

from roost.errors import Blocker
from roost.migrations._in_the_way import InTheWay


def blocker(pid: int, *, gives_way: bool = True) -> Blocker:
    """Return who is in the way: an autovacuum, or somebody who does not give way."""
    return Blocker(pid=pid, application_name="", state="active", seconds=1.0, query="", gives_way=gives_way)


def test_nobody_is_waited_for_twice() -> None:
    """An autovacuum that did not end when it was waited for is not waited for again, and another one is."""
    way = InTheWay()
    assert not way.gives_way()
    way.blockers = (blocker(1),)
    assert [way.gives_way(), way.gives_way()] == [True, False]
    way.blockers = (blocker(1), blocker(2))
    assert [way.gives_way(), way.gives_way()] == [True, False]


def test_others_beside_an_autovacuum() -> None:
    """Nobody waits long while anybody else is in the way; once the autovacuum is alone, it is waited for."""
    way = InTheWay((blocker(1), blocker(2, gives_way=False)))
    assert not way.gives_way()
    way.blockers = (blocker(1),)
    assert way.gives_way()
