from __future__ import annotations

from functools import cmp_to_key

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from roost.errors import InvalidPluginVersion
from roost.migrations import compare_versions
from roost.migrations._versions import parse_version

numbers = st.lists(st.integers(0, 12), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))
tails = st.sampled_from(["", "a1", "b2", "rc1", ".dev3", "rc1.dev2"])
texts = st.builds("{}{}".format, numbers, tails)
versions = st.none() | texts


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (None, None, 0),
        (None, "0.0.0", -1),
        ("0.0.0", None, 1),
        ("1.2", "1.2.0", 0),
        ("v1.0", "1.0", 0),
        ("1.9.0", "1.10.0", -1),
        ("2.0.0", "1.99.99", 1),
        ("2.0.0rc1", "2.0.0", -1),
        ("2.0.0.dev1", "2.0.0a1", -1),
        ("1!1.0", "2024.1", 1),
    ],
)
def test_known_pairs(a: str | None, b: str | None, expected: int) -> None:
    """Versions compare by number and not by text, None below all, pre-releases below their release."""
    assert compare_versions(a, b) == expected


@given(a=versions, b=versions)
def test_order_is_antisymmetric(a: str | None, b: str | None) -> None:
    """Any two versions compare, and the other way round gives the opposite."""
    assert compare_versions(a, b) in (-1, 0, 1)
    assert compare_versions(a, b) == -compare_versions(b, a)


@given(a=versions, b=versions, c=versions)
def test_order_is_transitive(a: str | None, b: str | None, c: str | None) -> None:
    """Sorted by pairs means sorted throughout: the order has no circles."""
    low, middle, high = sorted((a, b, c), key=lambda text: (text is not None, parse_version(text or "0")))
    assert compare_versions(low, middle) <= 0
    assert compare_versions(middle, high) <= 0
    assert compare_versions(low, high) <= 0


@given(st.lists(versions, max_size=12))
def test_the_order_is_that_of_packaging(several: list[str | None]) -> None:
    """Any two versions have one order, which is that of `packaging` with None below all; so sorting gives the same by either."""
    by_packaging = sorted(several, key=lambda text: (text is not None, Version(text or "0")))
    assert sorted(several, key=cmp_to_key(compare_versions)) == by_packaging
    for a in several:
        for b in several:
            ranks = [(text is not None, Version(text or "0")) for text in (a, b)]
            assert compare_versions(a, b) == (ranks[0] > ranks[1]) - (ranks[0] < ranks[1])


@given(text=texts)
def test_a_version_equals_itself(text: str) -> None:
    """A version equals itself, also when it is written with the customary v."""
    assert compare_versions(text, text) == 0
    assert compare_versions(text, f"v{text}") == 0


@pytest.mark.parametrize("text", ["", "one", "1.0.x", "1..0", "1.0 beta final", "-1", "1" * 5000])
def test_what_is_no_version_is_refused(text: str) -> None:
    """Text outside PEP 440 is refused, with the text."""
    with pytest.raises(InvalidPluginVersion) as caught:
        parse_version(text)
    assert caught.value.version == text
    assert caught.value.reason == "it is no version by PEP 440"


def test_a_number_is_no_version() -> None:
    """What was written without quotes is refused as that, and not as a version that would be none."""
    with pytest.raises(InvalidPluginVersion) as caught:
        parse_version(1.1)
    assert (caught.value.version, caught.value.reason) == ("1.1", "it is of type float and no text; put it in quotes")


@pytest.mark.parametrize("text", ["1.0.0-1", "1.0.0.post1", "1.0.0rc1.post2"])
def test_post_releases_are_refused(text: str) -> None:
    """A post-release is refused, as '1.0.0-1' would come after '1.0.0' and hardly anybody expects that."""
    with pytest.raises(InvalidPluginVersion, match="post-releases"):
        parse_version(text)


def test_local_versions_are_refused() -> None:
    """A local version is refused, as people do not agree on its order."""
    with pytest.raises(InvalidPluginVersion, match="local versions"):
        parse_version("1.0.0+b1")


@pytest.mark.parametrize(("a", "b"), [("x", "1.0"), ("1.0", "x")])
def test_comparing_checks_both_sides(a: str, b: str) -> None:
    """A malformed version is refused on either side of a comparison."""
    with pytest.raises(InvalidPluginVersion) as caught:
        compare_versions(a, b)
    assert caught.value.version == "x"
