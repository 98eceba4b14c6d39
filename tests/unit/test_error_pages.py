"""The pages of `docs/errors`; that their outputs are still those of the tests is held by `tests/plugins/error_outputs.py`."""

from __future__ import annotations

import re

import pytest

from roost.errors import DuplicateStep, RoostError
from roost.migrations import MigrationStep
from roost.migrations._planner import in_order
from tests.plugins.error_outputs import ROOT, MadeError, errors_made, generalised, is_same, public_errors, read_outputs
from tools.error_pages import FOLDER, errors_by_page, on_screen, pages, with_made

OUTPUTS = read_outputs()


@pytest.mark.parametrize("kind", public_errors(), ids=lambda kind: kind.__name__)
def test_every_error_has_an_entry_under_its_name(kind: type[RoostError]) -> None:
    """It says what the error means and shows its output, which a test that is there has made."""
    assert kind.__name__ in OUTPUTS, f"write its output down: python -m tools.error_pages --record TEST, which is to make {kind.__name__}"
    path, _, test = OUTPUTS[kind.__name__]["test"].partition("::")
    function = re.split(r"::|\[", test.split("[")[0])[-1]
    assert f"def {function}(" in (ROOT / path).read_text("utf-8")
    (page,) = [page for page, kinds in errors_by_page().items() if kind in kinds]
    entry = (FOLDER / f"{page}.md").read_text("utf-8").split(f"\n## {kind.__name__}\n")[1].split("\n## ")[0]
    assert f"```text\n{on_screen(OUTPUTS[kind.__name__])}\n```" in entry
    assert re.match(r"\n\S.*\.\n", entry)


def test_the_pages_are_those_that_the_errors_make() -> None:
    """No page is edited by hand, or left behind by the errors; no entry stands for an error that is gone."""
    stale = [path.name for path, text in pages().items() if path.read_text("utf-8") != text]
    assert stale == [], "write them: python -m tools.error_pages"
    assert sorted(FOLDER.glob("*.md")) == sorted(pages())
    assert set(OUTPUTS) == {kind.__name__ for kind in public_errors()}


def test_no_output_shows_the_machine_it_was_made_on() -> None:
    """Places, ports and process numbers of the machine on which the tests ran are replaced."""
    told = generalised(
        f"The server at 127.0.0.1:45123/roost_test_77_3 of {ROOT}/src/a.py:77, /tmp/pytest-of-me/pytest-3/test_a0/x.sql: server process 77"
    )
    assert told == "The server at db.example.com:5432/app of src/a.py:12, /srv/app/x.sql: server process 4711"
    shown = "\n".join(output["message"] + output["hint"] for output in OUTPUTS.values())
    assert re.findall(r"/(?:tmp|var|dev|home|root)/|pytest|roost_test_|site-packages", shown) == []


def test_an_error_is_noted_where_roost_makes_it() -> None:
    """What a test makes itself does not count as what roost tells."""
    step = MigrationStep("a", "A", up="SELECT 1", version="1")
    with errors_made() as made:
        DuplicateStep(plugin="p", step="mine")
        with pytest.raises(DuplicateStep):
            in_order([step, step], plugin="p", default_version=None)
    assert [error.message for error in made] == ["Plugin p has two migration steps with the id 'a'"]


def test_what_is_written_down_anew() -> None:
    """An error without an output gets the first that a test makes; one with an output gets another of its own test, if it is another."""
    first, second = MadeError("NoDatabase", "one 1", ""), MadeError("NoDatabase", "two", "")
    recorded = with_made({}, [("a", first), ("b", second)])
    assert recorded == {"NoDatabase": {"test": "a", "message": "one 1", "hint": ""}}
    assert with_made(recorded, [("b", second)]) == recorded
    assert with_made(recorded, [("a", second), ("a", MadeError("NoDatabase", "one 2", ""))]) == recorded
    assert with_made(recorded, [("a", second)]) == {"NoDatabase": {"test": "a", "message": "two", "hint": ""}}
    assert with_made({"NoSuchError": recorded["NoDatabase"]}, []) == {}


def test_other_words_are_another_error() -> None:
    """Figures, and details in the server's words, may differ; anything else is noticed."""
    error = MadeError("A", "after 0.1 s\nDETAIL:  one", "wait")
    assert is_same(error, MadeError("A", "after 12 s\nDETAIL:  another", "wait"))
    assert not is_same(error, MadeError("A", "after 0.1 s\nDETAIL:  one", "run"))
    assert not is_same(error, MadeError("B", error.message, error.hint))
