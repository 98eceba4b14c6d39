from __future__ import annotations

from pathlib import Path

import pytest

from roost.cli import main


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "Nothing is said that is to be written"),
        (("tabel", "x"), "There is no generator 'tabel'"),
        (("table",), "requires an argument"),
        (("table", "a;b"), "Unfit table a;b"),
        (("table", "a", "b"), "Unfit column b"),
        (("table", "x" * 64), "it has 64 bytes"),
        (("add-column", "a", "b", "int; DROP TABLE c"), "Unfit type"),
        (("add-column", "a", "b", "int", "--default", "1); DROP TABLE c; --"), "Unfit default"),
        (("add-column", "a", "b", "int", "--not-null"), "needs a constant --default"),
        (("index", "a", "b; DROP TABLE c"), "Unfit expression"),
        (("backfill", "a", "b", "$$; DROP TABLE c"), "Unfit expression"),
        (("enum-value", "a", "b\nc"), "Unfit value"),
        (("enum-value", "a", "b", "--before", "x", "--after", "y"), "--before or --after"),
        (("foreign-key", "a", "b", "c.d.e.f"), "Unfit table"),
        (("step", "../up"), "Unfit step"),
        (("plugin", "tests"), "Unfit plugin"),
        (("plugin", "a\0b"), "Unfit plugin"),
        (("step", "x", "--version", "1.0.0", "--directory", "."), "--version is for steps in Python"),
    ],
)
def test_bad_words_are_one_error(
    words: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever is said wrongly: exit code 2, a sentence and a hint; no runtime is asked for, and no file is written."""
    monkeypatch.chdir(tmp_path)
    assert main(["new", *words]) == 2
    out, err = capsys.readouterr()
    first, second = err.splitlines()
    assert (out, first[:7], second[:6]) == ("", "error: ", "hint: ")
    assert told in first
    assert list(tmp_path.iterdir()) == []


def test_names_of_generators_are_suggested(capsys: pytest.CaptureFixture[str]) -> None:
    """Who misspells one is told what may be meant; who says none, what there is."""
    assert main(["new", "add-colum", "note"]) == 2
    assert capsys.readouterr().err.endswith("hint: did you mean add-column?\n")
    assert main(["new"]) == 2
    assert "add-column, backfill, enum-value, foreign-key" in capsys.readouterr().err
