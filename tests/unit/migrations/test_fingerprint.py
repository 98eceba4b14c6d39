from __future__ import annotations

import builtins
import functools
import linecache
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.migrations import MigrationStep
from roost.migrations._fingerprint import (
    UNKNOWN_PYTHON,
    ChainHashes,
    body_changed,
    chain_hash,
    declared_mark,
    digest,
    fingerprint_of,
)

lines = st.lists(st.text(alphabet="abc ;'-", max_size=12), max_size=6)
plain_parts = st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5), min_size=1)

BODY = "async def fill(context):\n    await context.execute('SELECT 1')\n"
EDITED = "# by hand\nasync def fill( context ):   # again\n\n    # once\n    await context.execute(\n        'SELECT 1',\n    )\n"
CHANGED = "async def fill(context):\n    await context.execute('SELECT 2')\n"


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Callable[..., Awaitable[object]]]:
    """Make a function whose source code is in a file."""
    count = iter(range(100))

    def write(source: str, name: str = "fill") -> Callable[..., Awaitable[object]]:
        path = tmp_path / f"steps_{next(count)}.py"
        path.write_text(source)
        scope: dict[str, Any] = {}
        exec(compile(source, str(path), "exec"), scope)  # noqa: S102 -- the source is this test's own
        function: Callable[..., Awaitable[object]] = scope[name]
        return function

    return write


def of(up: Any, **fields: Any) -> str:
    return fingerprint_of(MigrationStep("s", "d", up, **fields))


def test_sql_is_hashed_as_it_is() -> None:
    """SQL is known by the hash of its text, which the ledgers in the field hold, so it must never move."""
    assert of("SELECT 1") == "sql:" + sha256(b"SELECT 1").hexdigest()
    assert of("SELECT 'é'") == "sql:" + sha256("SELECT 'é'".encode()).hexdigest()


@pytest.mark.parametrize("edited", ["SELECT  1", "SELECT 1;", "SELECT 1 -- one", "select 1", "SELECT 1\n"])
def test_any_edit_of_sql_shows(edited: str) -> None:
    """White space and comments count in SQL: they may stand inside a literal or a function's body."""
    assert body_changed(of("SELECT 1"), of(edited)) is True


@given(parts=lines)
def test_line_ends_of_sql_do_not_count(parts: list[str]) -> None:
    """A checkout with CRLF line ends is the same step, in the ledger and in the declaration."""
    unix, windows = "\n".join(parts), "\r\n".join(parts)
    assert of(unix) == of(windows)
    assert MigrationStep("s", "d", unix).declared_text == MigrationStep("s", "d", windows).declared_text


def test_comments_and_layout_of_a_function_do_not_count(written: Callable[[str], Any]) -> None:
    """A function that was laid out or commented anew is the same body."""
    assert of(written(BODY)).startswith("py:")
    assert of(written(EDITED)) == of(written(BODY))


def test_code_of_a_function_counts(written: Callable[[str], Any]) -> None:
    """A function that does something else is another body."""
    assert body_changed(of(written(BODY)), of(written(CHANGED))) is True


@given(blanks=st.lists(st.sampled_from(["", "    # why", "# c", "      "]), max_size=5))
def test_added_comment_lines_do_not_count(tmp_path_factory: pytest.TempPathFactory, blanks: list[str]) -> None:
    """Whatever comments and blank lines stand between a function's lines, its fingerprint stays."""
    folder = tmp_path_factory.mktemp("functions")
    found = []
    for name, between in (("plain.py", []), ("edited.py", blanks)):
        source = "\n".join(["async def fill(context):", *between, "    await context.execute('SELECT 1')", ""])
        (folder / name).write_text(source)
        scope: dict[str, Any] = {}
        exec(compile(source, str(folder / name), "exec"), scope)  # noqa: S102 -- the source is this test's own
        found.append(of(scope["fill"]))
    assert found[0] != UNKNOWN_PYTHON
    assert found[0] == found[1]


def test_a_wrapped_function_is_known_by_what_it_wraps(written: Callable[[str], Any]) -> None:
    """A decorator that keeps the function's name doesn't hide its body."""
    inner = written(BODY)

    @functools.wraps(inner)
    async def outer(context: object) -> None:
        await inner(context)

    assert of(outer) == of(inner)


@pytest.mark.parametrize("of_the_process", [[], ["import sys\n", "def fill(): ...\n", "fill()\n"]], ids=["file", "python -c"])
def test_source_that_is_not_there_is_unknown(monkeypatch: pytest.MonkeyPatch, of_the_process: list[str]) -> None:
    """A function without readable source has the one fingerprint that stands for not knowing, also where `python -c` keeps a source."""
    monkeypatch.delitem(linecache.cache, "<string>", raising=False)
    if of_the_process:
        monkeypatch.setitem(linecache.cache, "<string>", (1, None, of_the_process, "<string>"))
    scope: dict[str, Any] = {}
    exec(BODY, scope)  # noqa: S102 -- the source is this test's own
    assert of(scope["fill"]) == UNKNOWN_PYTHON
    assert of(builtins.print) == UNKNOWN_PYTHON


def test_own_fingerprint_stands_for_the_body(written: Callable[[str], Any]) -> None:
    """A step's own fingerprint replaces every hash of roost's, for SQL and functions."""
    for up in ("SELECT 1", written(BODY)):
        step = MigrationStep("s", "d", up, fingerprint="v1")
        assert (fingerprint_of(step), declared_mark(step), step.declared_text) == ("v1", "v1", "v1")


@pytest.mark.parametrize(
    ("applied", "declared", "expected"),
    [
        ("sql:1", "sql:1", False),
        ("sql:1", "sql:2", True),
        ("sql:1", "py:1", True),
        ("py:1", "py:2", True),
        ("py:unknown", "py:2", False),
        ("py:1", "py:unknown", False),
        ("sql:1", "py:unknown", True),
        ("py:unknown", "own", True),
    ],
)
def test_body_changed(applied: str, declared: str, *, expected: bool) -> None:
    """Bodies differ when their fingerprints do, except that a function nobody could read equals every other."""
    assert body_changed(applied, declared) is expected


def test_a_declaration_does_not_read_source(written: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A function is only present in the declaration: two bodies are the same there, and no source is read."""
    monkeypatch.setattr("inspect.getsource", lambda _: pytest.fail("source was read"))
    for source in (BODY, CHANGED):
        step = MigrationStep("s", "d", written(source))
        assert (declared_mark(step), step.declared_text) == ("py", "py")


def test_the_mark_of_sql_is_its_fingerprint() -> None:
    """In a chain SQL stands with its hash, in a declaration with its text."""
    step = MigrationStep("s", "d", "SELECT 1\r\n")
    assert declared_mark(step) == fingerprint_of(step)
    assert step.declared_text == "SELECT 1\n"


@given(st.lists(st.integers(1, 5), max_size=8))
def test_hashes_of_a_chain(places: list[int]) -> None:
    """Whichever is asked for first: each is the hash over the one before, and chains of the same steps are equal."""
    steps = tuple(MigrationStep(f"s{number}", "S", up=f"SELECT {number}", version=f"1.{number}") for number in range(5))
    hashes = ChainHashes("start", steps)
    wanted = ["start"]
    for step in steps:
        wanted.append(chain_hash(wanted[-1], step.id, step.version or "", fingerprint_of(step)))
    assert [hashes.after(place) for place in places] == [wanted[place] for place in places]
    assert hashes == ChainHashes("start", steps)


def test_chain_hash_is_stable() -> None:
    """The chain's hash is in ledgers in the field: it is SHA-256 over its four parts with NUL between them."""
    assert chain_hash("", "a", "1.0", "sql:x") == sha256(b"\0a\x001.0\0sql:x").hexdigest()


@pytest.mark.parametrize("other", [("p", "a", "1.0", "m"), ("", "b", "1.0", "m"), ("", "a", "1.1", "m"), ("", "a", "1.0", "n")])
def test_every_part_of_a_chain_counts(other: tuple[str, str, str, str]) -> None:
    """What came before, id, version and body each change the chain's hash."""
    assert chain_hash(*other) != chain_hash("", "a", "1.0", "m")


@given(a=plain_parts, b=plain_parts)
def test_digests_differ_with_their_parts(a: list[str], b: list[str]) -> None:
    """Two lists have one digest exactly when they are equal, also when their joined texts are."""
    assert (digest(a) == digest(b)) is (a == b)


def test_parts_do_not_run_together() -> None:
    """Where one part ends and the next begins is part of the digest."""
    assert digest(["ab", "c"]) != digest(["a", "bc"])
