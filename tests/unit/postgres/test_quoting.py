from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.errors import InvalidIdentifier, InvalidText
from roost.postgres import dollar_quote, quote_identifier, quote_literal

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@pytest.mark.parametrize(("name", "quoted"), [("a", '"a"'), ('a"b', '"a""b"'), ("select", '"select"'), ("ä" * 31, f'"{"ä" * 31}"')])
def test_identifiers(name: str, quoted: str) -> None:
    """A name is taken as it is, in double quotes."""
    assert quote_identifier(name) == quoted


@pytest.mark.parametrize(
    ("name", "reason"), [("", "empty"), ("a\0", "NUL"), ("\ud800", "UTF-8"), ("a" * 64, "64 bytes"), ("ä" * 32, "64 bytes")]
)
def test_identifiers_that_the_server_would_change(name: str, reason: str) -> None:
    """A name that the server would cut or can't take is refused by what is wrong."""
    with pytest.raises(InvalidIdentifier, match=reason):
        quote_identifier(name)


@pytest.mark.parametrize(("text", "quoted"), [("", "''"), ("it's", "'it''s'"), ("a\\b", " E'a\\\\b'"), ("\\'", " E'\\\\'''")])
def test_literals(text: str, quoted: str) -> None:
    """A backslash makes an escape string, so that no setting of the server changes its meaning."""
    assert quote_literal(text) == quoted


@pytest.mark.parametrize("quote", [quote_literal, dollar_quote])
@pytest.mark.parametrize(("text", "reason"), [("\0", "NUL"), ("\udfff", "UTF-8")])
def test_texts_that_the_server_cannot_take(quote: object, text: str, reason: str) -> None:
    """They are refused before they are sent."""
    assert callable(quote)
    with pytest.raises(InvalidText, match=reason):
        quote(text)


@given(TEXTS)
def test_literals_read_back(text: str) -> None:
    """Undoing the quoting gives the text, and no quote ends it early."""
    quoted = quote_literal(text).removeprefix(" E")
    inside = quoted[1:-1].replace("''", "'")
    assert (inside.replace("\\\\", "\\") if "\\" in text else inside) == text
    assert quoted[1:-1].replace("''", "").count("'") == 0


@given(TEXTS | st.builds(lambda text: text + dollar_quote(text)[:11], TEXTS))
def test_dollar_quotes_hold_anything(text: str) -> None:
    """The tag stands at both ends and nowhere between, also where the text ends in part of it."""
    quoted = dollar_quote(text)
    tag = quoted[: quoted.index("$", 1) + 1]
    assert quoted == f"{tag}{text}{tag}"
    assert quoted.index(tag, 1) == len(quoted) - len(tag)
