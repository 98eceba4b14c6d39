from __future__ import annotations

from pathlib import Path

import pytest

from roost.errors import InvalidSqlFile
from roost.migrations import SqlText, load_sql_steps


def write(folder: Path, **files: str | bytes) -> Path:
    """Write files, named by keyword with two underscores for a dot."""
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


def test_plain_files_are_steps_in_the_order_of_their_names(tmp_path: Path) -> None:
    """A step's id is the file's name, its description the name without its number; other files are left alone."""
    steps = load_sql_steps(write(tmp_path, m002_add_note__sql="B", m001__sql="A", README__md="no"), version="1.0.0")
    assert [(step.id, step.up, step.down, step.version) for step in steps] == [
        ("m001", "A", None, "1.0.0"),
        ("m002_add_note", "B", None, "1.0.0"),
    ]
    other = tmp_path / "other"
    other.mkdir()
    (numbered,) = load_sql_steps(write(other, **{"01-make_it__sql": "X"}))
    assert (numbered.id, numbered.description) == ("01-make_it", "make it")


def test_pairs(tmp_path: Path) -> None:
    """x.up.sql and x.down.sql are one step x; so are x.sql and x.down.sql."""
    folder = write(tmp_path, a__up__sql="up a", a__down__sql="down a", b__sql="up b", b__down__sql="down b")
    assert [(step.id, step.up, step.down) for step in load_sql_steps(folder)] == [("a", "up a", "down a"), ("b", "up b", "down b")]


def test_markers(tmp_path: Path) -> None:
    """The markers of dbmate part one file into both ways, and say that a step wants no transaction."""
    text = "-- migrate:up transaction:false\nCREATE INDEX CONCURRENTLY i ON t (c);\n-- migrate:down\nDROP INDEX i;\n"
    (step,) = load_sql_steps(write(tmp_path, a__sql=text))
    assert (str(step.up).strip(), str(step.down).strip(), step.transactional) == (
        "CREATE INDEX CONCURRENTLY i ON t (c);",
        "DROP INDEX i;",
        False,
    )
    assert isinstance(step.up, SqlText)
    assert isinstance(step.down, SqlText)
    assert (step.up.path, step.up.first_line, step.down.first_line) == (tmp_path / "a.sql", 2, 4)


def test_a_file_may_say_why_there_is_no_way_back(tmp_path: Path) -> None:
    """The line stands in any layout, and stays a comment of the step's SQL."""
    line = "-- migrate:irreversible  the rows are gone \n"
    folder = write(
        tmp_path, a__sql=f"DROP TABLE a;\n{line}", b__up__sql=f"{line}DROP TABLE b;", c__sql=f"-- migrate:up\n{line}DROP TABLE c;"
    )
    steps = load_sql_steps(folder)
    assert [(step.id, step.irreversible) for step in steps] == [(name, "the rows are gone") for name in "abc"]
    assert all(line.strip() in str(step.up) for step in steps)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    """Some editors leave one."""
    (step,) = load_sql_steps(write(tmp_path, a__sql=b"\xef\xbb\xbfSELECT 1"))
    assert step.up == "SELECT 1"


@pytest.mark.parametrize(
    ("files", "reason", "line"),
    [
        ({}, "no .sql file", None),
        ({"a__sql": b"SELECT 1;\n\xff"}, "not UTF-8", 2),
        ({"a__sql": b"SELECT 1;\n\n\0"}, "NUL", 3),
        ({"a__sql": "SELECT 1;\r\n\\ir other.sql\r\n"}, r"it holds \ir; commands with a backslash are psql's own", 2),
        ({"a__sql": "-- migrate:up\nX\n-- migrate:down\n\\copy t from 'x'"}, r"it holds \copy", 4),
        ({"a__sql": "SELECT 1", "a__down__sql": "\\connect other"}, r"it holds \connect", 1),
        ({"a__down__sql": "DROP"}, "undoes a step that is not there", None),
        ({"a__sql": "A", "a__up__sql": "A"}, "another file is the step 'a'", None),
        ({"a__sql": "-- migrate:down\nX"}, "its markers are down", None),
        ({"a__sql": "-- migrate:up\nX\n-- migrate:up\nY"}, "its markers are up, up", None),
        ({"a__sql": "-- migrate:up\nX\n-- migrate:down\nY", "a__down__sql": "Z"}, "belongs there", None),
        ({"a__sql": "\n-- migrate:up transaction:maybe\nX"}, "unknown option", 2),
        ({"a__sql": "X\n-- migrate:irreversible\n"}, "lacks the reason", 2),
        ({"a__sql": "-- migrate:irreversible why", "a__down__sql": "Y"}, "has a down and says that it is irreversible", None),
        ({"a__sql": "-- migrate:up speed:high\nX"}, "unknown option", 1),
    ],
)
def test_what_is_refused(tmp_path: Path, files: dict[str, str | bytes], reason: str, line: int | None) -> None:
    """A folder or file that can't be read as it is meant is refused by name, reason and line."""
    with pytest.raises(InvalidSqlFile) as caught:
        load_sql_steps(write(tmp_path, **files))
    assert reason in caught.value.reason
    assert caught.value.line == line


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """It is refused by its path."""
    with pytest.raises(InvalidSqlFile, match="no such folder"):
        load_sql_steps(tmp_path / "nowhere")


def test_a_folder_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused with what the system says."""

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(InvalidSqlFile, match="can't be listed: Permission denied"):
        load_sql_steps(tmp_path)
