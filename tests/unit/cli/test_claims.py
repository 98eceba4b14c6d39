from __future__ import annotations

from roost.cli._claims import claim_text, unmark_text
from roost.migrations import ClaimedSteps, UnmarkedStep


def test_a_claim_says_what_counts_and_what_was_looked_for() -> None:
    """Before it is written it would count; what was found and what nobody looked for stand below."""
    claim = ClaimedSteps(
        plugin="p", steps=("a", "b"), version="1.0.0", run=3, found=("table public.t",), not_checked=("b: INSERT", "b: UPDATE")
    )
    assert claim_text(claim, is_written=True) == (
        "steps a, b count as applied; plugin p is at version 1.0.0\nfound in the database: table public.t\n"
        "not checked:\n  b: INSERT\n  b: UPDATE"
    )
    assert claim_text(claim, is_written=False).startswith("steps a, b would count as applied; plugin p would be at version 1.0.0\n")
    one = ClaimedSteps(plugin="p", steps=("a",), version=None, run=3)
    assert claim_text(one, is_written=True) == "step a counts as applied; plugin p is at no version yet"
    assert claim_text(ClaimedSteps(plugin="p", steps=(), version="2", run=3), is_written=True).startswith("no step counts")


def test_many_objects_are_counted() -> None:
    """The first ten are named; a document names all."""
    claim = ClaimedSteps(plugin="p", steps=("a",), version="1", run=3, found=tuple(f"table t{number}" for number in range(12)))
    assert claim_text(claim, is_written=True).endswith("table t8, table t9 and 2 more")


def test_an_unmark_says_what_is_still_there() -> None:
    """What the step made and the database still has is a warning."""
    unmarked = UnmarkedStep(plugin="p", steps=("a",), version=None, run=3, still_there=("table public.t",), not_checked=("a: INSERT",))
    assert unmark_text(unmarked, is_written=True) == (
        "step a counts as not applied; plugin p is at no version yet\n"
        "still in the database, where the next run may stumble over it: table public.t\nnot checked:\n  a: INSERT"
    )
    assert unmark_text(unmarked, is_written=False).startswith("step a would count as not applied; plugin p would be at no version yet")
