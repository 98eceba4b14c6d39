from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.migrations._sql_text import copies_from_stdin, is_blank, psql_command

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
