from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.postgres._sql_text import copies_from_stdin, is_blank, line_comments, normal_form, psql_command

HOSTILE = st.lists(st.sampled_from(["\n\\i x\n", "\\", "a", " ", "$", "$$", "$b$", "/*", "*/", "--", "\n", "é"]), max_size=6).map("".join)


def nested(text: str) -> str:
    """Return a comment that holds the text, and a comment within."""
    inner = text.replace("/*", "").replace("*/", "").replace("/", "").replace("*", "")
    return f"/* {inner} /* {inner} */ {inner} */"


QUOTED = st.one_of(
    HOSTILE.map(lambda text: "'" + text + "''" + text + "'"),
    HOSTILE.map(lambda text: "E'" + text.replace("\\", "\\\\") + "''\\'\n\\\\i x\n'"),
    HOSTILE.map(lambda text: "e'a'\n'" + text.replace("\\", "\\\\") + "\\'\n\\\\'"),
    HOSTILE.map(lambda text: '"' + text + '""' + text + '"'),
    HOSTILE.map(lambda text: "$$" + text.replace("$$", "") + " $$" if not text.endswith("$") else "$$ $$"),
    HOSTILE.map(lambda text: "$tag1$" + text + "\n\\i x\n$tag1$"),
    HOSTILE.map(nested),
    HOSTILE.map(lambda text: "-- ' \" $$ /* " + text.replace("\n", " ") + "\n"),
)
"""What may hold anything: literals, quoted names and comments of every kind, each complete."""


@given(st.lists(QUOTED, max_size=5))
def test_what_is_quoted_is_no_command(parts: list[str]) -> None:
    """A line that begins with a backslash inside of a literal, a quoted name or a comment is left alone."""
    assert psql_command("SELECT " + ", ".join(parts)) is None


@given(st.lists(QUOTED, max_size=5), st.sampled_from([r"\i", r"\copy", r"\connect", r"\.", r"\restrict", r"\!"]), st.booleans())
def test_a_command_is_found_behind_whatever_is_quoted(parts: list[str], command: str, indented: bool) -> None:  # noqa: FBT001 -- drawn
    """It is named with its line, whatever stands before and after it."""
    before = "SELECT " + ", ".join(parts) + ";\n"
    text = f"{before}{' ' * indented}{command} x y\n'\n\\set more 1\n"
    assert psql_command(text) == (command, before.count("\n") + 1)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", None),
        ("SELECT 1", None),
        ("\\connect other\nSELECT 1", ("\\connect", 1)),
        ("SELECT 1;\r\n\t\\i other.sql\r\n", ("\\i", 2)),
        ("-- it's a dump\n\n\\restrict abc\n", ("\\restrict", 3)),
        ("COPY t FROM stdin;\n1\n\\.\n", ("\\.", 3)),
        ("SELECT 1 \\gexec", None),
        ("SELECT 'open\n\\i x", None),
        ("SELECT $$open\n\\i x", None),
        ("/* open /* */\n\\i x", None),
        ("SELECT a$b$\n\\i x", ("\\i", 2)),
        ("SELECT $1$ $1$\n\\i x", ("\\i", 2)),
        ("SELECT $é$\n\\i x\n$é$", None),
        ("SELECT nameE'\\'\n\\i x", ("\\i", 2)),
        ("SELECT U&'d\\0061t'\n\\i x", ("\\i", 2)),
    ],
)
def test_known_texts(text: str, found: tuple[str, int] | None) -> None:
    """Names with dollars in them open nothing; what is never closed holds everything, and is the server's to refuse."""
    assert psql_command(text) == found


@given(st.lists(QUOTED, max_size=5))
def test_comments_alone_are_nothing(parts: list[str]) -> None:
    """Text of comments, blanks and semicolons holds no statement; with anything else in it, it does."""
    comments = [part for part in parts if part.startswith(("--", "/*"))]
    text = "\n;".join(comments)
    assert is_blank(f" {text}\n")
    assert not is_blank(f"{text}\nSELECT 1")
    assert [is_blank(part) for part in parts] == [part in comments for part in parts]


@given(st.lists(QUOTED, max_size=3), st.sampled_from(["COPY t FROM STDIN", "copy t (a, b)\nfrom\tstdin csv", 'Copy "t" From /* */ StdIn']))
def test_a_copy_without_data_is_found(parts: list[str], copy: str) -> None:
    """It's found behind and between whatever is quoted, and not inside of it."""
    quoted = [part.replace("\\i x", "COPY t FROM STDIN") for part in parts]
    assert copies_from_stdin("".join(f"SELECT {part};" if not part.startswith(("--", "/*")) else part for part in quoted) + copy)
    assert not copies_from_stdin("SELECT " + ", ".join(quoted))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "COPY t TO STDOUT",
        "COPY t FROM '/a/file'",
        "SELECT stdin FROM t",
        "INSERT INTO copy SELECT * FROM stdin",
        "COPY t TO STDOUT; FROM STDIN",
    ],
)
def test_what_copies_nothing_in(text: str) -> None:
    """The words alone are no such statement."""
    assert not copies_from_stdin(text)


WHOLE = [
    "select", "SELECT", "a", "a1", "_x", "é", "a$b", "e", "n", "U", "nameE", "1", "1.5", ".5", "0x1F", "1_000", "$1",
    "'text'", "''", "'it''s'", "'two\n  lines -- no comment'", "E'a\\'b'", "e'\\\\'", "B'01'", "x'1F'", "N'n'", "U&'d\\0061t'",
    '"a"', '"a""b /* c"', 'U&"d\\0061t"', "$$ body -- kept $$", "$a$ $$ '\n $a$",
    "(", ")", "[", "]", ",", ";", ".", ":", "::", ":=", "+", "-", "*", "/", "<", ">", "=", "<=", "<>", "->>", "||", "@-",
    "!=", "=>", "?|", "%",
]  # fmt: skip
"""Tokens of every kind."""

TOKENS = st.lists(st.sampled_from(WHOLE), min_size=1, max_size=12)
LAYOUT = st.lists(
    st.sampled_from([" ", "\t", "\f", "/* c */", "/* a /* b */ ' \" $$ */", "-- it's \" $$ /*\n", "--\n", "\n"]), min_size=1, max_size=3
).map("".join)


def laid_out(tokens: list[str], layouts: list[str]) -> str:
    """Return the tokens with other layout around each.

    Between two literals a line's end would make them one, and right behind an operator a comment would begin within it.
    """
    parts = [layouts[0]]
    for index, token in enumerate(tokens):
        follows = index + 1 < len(tokens) and token.endswith("'") and tokens[index + 1].startswith("'")
        parts += token, " " if token[-1] in "+-*/<>=|@?%" else "", " " if follows else layouts[index + 1]
    return "".join(parts)


@given(TOKENS, st.data())
def test_layout_is_no_part_of_the_normal_form(tokens: list[str], data: st.DataObject) -> None:
    """Whatever white space and comments stand around tokens: the normal form is the tokens."""
    layouts = data.draw(st.lists(LAYOUT, min_size=len(tokens) + 1, max_size=len(tokens) + 1))
    assert normal_form(laid_out(tokens, layouts)).split("\0") == tokens
    assert normal_form("\ufeff" + laid_out(tokens, layouts)).split("\0") == tokens


@given(TOKENS, st.data())
def test_every_token_is_a_part_of_the_normal_form(tokens: list[str], data: st.DataObject) -> None:
    """Another token, one more or one less, in whatever layout: another normal form."""
    at = data.draw(st.integers(0, len(tokens) - 1))
    other = data.draw(st.sampled_from(WHOLE).filter(lambda token: token != tokens[at]))
    for edited in ([*tokens[:at], other, *tokens[at + 1 :]], [*tokens[:at], other, *tokens[at:]], tokens[:at] + tokens[at + 1 :]):
        assert normal_form(" ".join(edited)) != normal_form(" ".join(tokens))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CREATE TABLE t(a int,b text);", "CREATE TABLE t ( a int , b text ) ;"),
        ("SELECT a.b,c::int,d<=-1", "SELECT a . b, c :: int, d <= - 1 -- the end"),
        ("SELECT 'a'\n'b'", "SELECT 'a' -- it's the first\n\n    'b'"),
        ("SELECT E'a\\''\n'b\\''", "SELECT E'a\\'' -- it's\n\t'b\\''"),
        ("SELECT a/**/b", "SELECT a b"),
        ("SELECT a+/* */-b", "SELECT a + - b"),
        ("", " /* nothing */ -- at all"),
    ],
)
def test_the_same_tokens(one: str, other: str) -> None:
    """Where PostgreSQL's lexer reads the same tokens, punctuation with or without space around it is one form."""
    assert normal_form(one) == normal_form(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT 'a  b'", "SELECT 'a b'"),
        ('SELECT "a  b"', 'SELECT "a b"'),
        ("DO $$ BEGIN END $$", "DO $$BEGIN END$$"),
        ("DO $$ -- why\n $$", "DO $$ $$"),
        ("SELECT 'a' /* */ 'b'", "SELECT 'a'\n'b'"),
        ("SELECT 'a''b'", "SELECT 'a' 'b'"),
        ("SELECT 'a'\n'b'", "SELECT 'ab'"),
        ("SELECT 'a' -- it's\n 'b'", "SELECT 'a''b'"),
        ("SELECT u&'a'", "SELECT u & 'a'"),
        ("SELECT e'a'", "SELECT e 'a'"),
        ("SELECT a@-b", "SELECT a @ -b"),
        ("SELECT a\u00a0b", "SELECT a b"),
        ("select 1", "SELECT 1"),
        ("SELECT 1;", "SELECT 1"),
        ("SELECT '--'", "SELECT ''"),
    ],
)
def test_other_tokens(one: str, other: str) -> None:
    """Bytes within literals and quotes count, and so does a space without which two tokens would be one."""
    assert normal_form(one) != normal_form(other)


@given(st.lists(QUOTED, max_size=5))
def test_the_normal_form_holds_what_is_quoted_and_no_comment(parts: list[str]) -> None:
    """Behind a name each literal and each quoted name is a token as it stands; a comment is none."""
    text = "".join(f"x {part}\n," for part in parts)
    quoted = [part for part in parts if not part.startswith(("--", "/*"))]
    found = [token for token in normal_form(text).split("\0") if token not in ("x", ",", "")]
    assert [token.replace("\n", "") for token in found] == [part.replace("\n", "") for part in quoted]


@pytest.mark.parametrize("tail", ["-" * 5000, "-- " * 5000, " " * 50_000, "/* " * 5000, "'" * 5001, "E'" + "\\" * 50_001])
def test_nothing_is_tried_in_many_ways(tail: str) -> None:
    """What follows a literal is read once, also where the text ends in the middle of it: any other reading would take years."""
    text = f"SELECT 'a' {tail}"
    assert normal_form(text).split("\0")[:2] == ["SELECT", "'a'"]
    assert normal_form(f"SELECT E'a' {tail}").split("\0")[:2] == ["SELECT", "E'a'"]
    assert not is_blank(text)


def test_comments_that_end_with_their_line() -> None:
    """Each is found where it begins; what is a literal, a quoted name, a body or a comment of the other kind holds none."""
    sql = "-- a\r\nSELECT '-- no', \"-- no\", $$\n-- no\n$$ /* -- no\n-- no */ -- b -- c\n--d"
    assert line_comments(sql) == [(0, "-- a"), (sql.index("-- b"), "-- b -- c"), (sql.index("--d"), "--d")]
    assert line_comments("SELECT 1") == []


@given(text=QUOTED.filter(lambda text: not text.startswith("--")))
def test_no_comment_is_in_a_quoted_text(text: str) -> None:
    """Whatever a literal, a quoted name, a body or a nested comment holds, none of it begins a comment."""
    assert line_comments(f"SELECT {text} -- end") == [(len(f"SELECT {text} "), "-- end")]
