"""The pictures of the documentation: real runs of today's commands, complete in themselves, and told in words as well."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.terminal_pictures import FOLDER, PICTURES, ROOT, WIDTH, beginning, draw, draw_all, words_of

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_pictures_show_what_the_commands_show_now(database_url: str) -> None:
    """Run anew on the example, each command shows the words of its picture; only figures differ."""
    for name, drawn in draw_all(database_url).items():
        assert words_of(drawn) == words_of((FOLDER / f"{name}.svg").read_text("utf-8")), "draw them: python -m tools.terminal_pictures"


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_loads_nothing(name: str) -> None:
    """It names no place but the namespace of SVG, and holds what a program reads as words."""
    svg = (FOLDER / f"{name}.svg").read_text("utf-8")
    assert re.findall(r"(?:https?:)?//[^\"'\s)]+", svg) == ["http://www.w3.org/2000/svg"]
    assert re.findall(r"@font-face|<script|<image|@import|url\((?!#)", svg) == []
    assert words_of(svg)[0] == f"$ {PICTURES[name].command}"


def test_each_picture_is_shown_with_its_words() -> None:
    """Some page shows each picture, every time with a text for those who don't see it; none is left over."""
    shown: set[Path] = set()
    for page in PAGES:
        for alternative, target in re.findall(r"!\[([^\]]*)\]\(([^)]+\.svg)\)", page.read_text("utf-8")):
            assert len(alternative) > 20, f"{page}: {target}"
            shown.add((page.parent / target).resolve())
    assert shown == {FOLDER / f"{name}.svg" for name in PICTURES} == set(FOLDER.iterdir())


def test_words_are_read_as_they_are_drawn() -> None:
    """Figures and ids count for nothing, other words do; what is left out of a picture is counted."""
    before, after = draw("\x1b[1mrun\x1b[0m <7> 63be4a06-5d4f-4310-8809-c320df189d5f", name="a"), draw("run <12> 0", name="b")
    assert words_of(before) == words_of(after) == ["run <0> 0"]
    assert words_of(draw("ran <7>", name="c")) != words_of(draw("run <7>", name="c"))
    assert beginning("a\nb\nc\nd", lines=2) == "a\nb\n\x1b[2m… 2 more lines\x1b[0m"
    assert beginning("a\nb", lines=2) == "a\nb"
    assert words_of(draw("x" * WIDTH + "y", name="d")) == ["x" * WIDTH, "y"]
