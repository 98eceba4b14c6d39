from __future__ import annotations

from pathlib import Path

import pytest

from roost.lint import LintText
from roost.lint._numbering import number_remarks


def said(*names: str) -> list[tuple[str, str, str]]:
    """Return what is said of files, each as the file, the rule and the words."""
    texts = [LintText(sql="SELECT 1", step=name, path=Path(f"{name}.sql")) for name in names]
    return [(text.step, remark.rule, remark.what) for text, remark in number_remarks(texts)]


def test_a_number_that_is_missing() -> None:
    """It is told of the file behind the gap, as it would be written."""
    assert said("0001_a", "0002_b", "0004_d") == [("0004_d", "number-gap", "0003 missing before 0004_d")]
    assert said("01", "02", "03", "07") == [("07", "number-gap", "04 to 06 missing before 07")]


def test_a_number_that_two_files_have() -> None:
    """It is told of the later one, also of times."""
    assert said("003_a", "003_b", "004_c") == [("003_b", "number-twice", "003_b has the number of 003_a")]
    assert said("20240101120000_a", "20240101120000_b") == [
        ("20240101120000_b", "number-twice", "20240101120000_b has the number of 20240101120000_a")
    ]


@pytest.mark.parametrize(
    "names",
    [
        (),
        ("1_a",),
        ("0001_a", "0002_b", "0003_c"),
        ("20240101_a", "20240102_b", "20240301_c"),
        ("0010_a", "0020_b", "0040_c"),
        ("1.0.1_a", "1.0.4_b"),
        ("make", "fill"),
        ("9_a", "10_b"),
    ],
)
def test_what_is_in_order(names: tuple[str, ...]) -> None:
    """Times, rows that leave numbers out, versions and plain names have no gaps."""
    assert said(*names) == []


def test_steps_in_code_are_in_the_order_of_their_list() -> None:
    """Their ids are no file names, and nothing is said of numbers in them."""
    texts = [LintText(sql="SELECT 1", step=name) for name in ("1_a", "1_b", "2_c", "9_d")]
    assert list(number_remarks(texts)) == []
