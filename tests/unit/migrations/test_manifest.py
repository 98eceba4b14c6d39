from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.errors import InvalidManifest, InvalidSqlFile, ManifestConflict, ManifestMismatch, ManifestNotWritten
from roost.migrations import ManifestChanges
from roost.migrations._manifest import hashes_in, manifest_hash, render
from roost.migrations._manifest_file import folder_hash, read_proven, write_manifest

HASH = {name: character * 64 for name, character in (("a.sql", "a"), ("b.sql", "b"))}
BOM = b"\xef\xbb\xbf"

Edit: TypeAlias = Callable[[bytes], bytes]


def make(folder: Path, **files: str | bytes) -> Path:
    """Write SQL files, named by keyword without their ending."""
    for name, text in files.items():
        (folder / f"{name}.sql").write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


def edit(folder: Path, change: Edit) -> Path:
    """Change the bytes of the folder's manifest."""
    path = folder / "roost.sum"
    path.write_bytes(change(path.read_bytes()))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Return the folder's files, hidden ones too."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_manifest_is_what_sha256sum_writes(tmp_path: Path) -> None:
    """``sha256sum -c`` finds every file as it is, also those of odd names, and the lines are in the order of names."""
    names = ("b", "-a b", "ü", "a\\n", "c:d")
    write_manifest(make(tmp_path, **dict.fromkeys(names, "SELECT 1;\n")))
    done = subprocess.run(["sha256sum", "--strict", "-c", "roost.sum"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"{name}.sql: OK" for name in sorted(names)]


def test_two_branches_that_add_a_file_conflict(tmp_path: Path) -> None:
    """Git stops the merge of two branches that each added a migration, wherever their lines stand; what it leaves is told as that."""

    def git(*words: str) -> int:
        return subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false", *words],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull},
            capture_output=True,
            check=False,
        ).returncode

    def commit(**files: str) -> None:
        write_manifest(make(tmp_path, **files))
        assert (git("add", "."), git("commit", "-m", "a")) == (0, 0)

    assert git("init", "-b", "main") == 0
    commit(**{f"{number:03}": "SELECT 1" for number in range(10, 100, 10)})
    assert git("switch", "-c", "other") == 0
    commit(**{"095": "SELECT 2"})
    assert git("switch", "main") == 0
    commit(**{"015": "SELECT 3"})
    assert git("merge", "other") == 1
    with pytest.raises(ManifestConflict, match=r"roost\.sum:1: a merge conflict is left in it") as caught:
        read_proven(tmp_path)
    error = caught.value
    # Lines that stand apart git has put together by itself; nothing says which side they came from.
    assert (error.line, error.ours, error.theirs, error.same_number) == (1, (), (), ())
    assert error.hint.endswith("roost check --write")
    assert write_manifest(tmp_path) == ManifestChanges(written=True)
    assert len(read_proven(tmp_path).files) == 11


@pytest.mark.parametrize("base", ["", f"||||||| base\n{'d' * 64}  0002_d.sql\n"])
def test_steps_of_one_number_are_told_of_a_conflict(tmp_path: Path, base: str) -> None:
    """Where both sides gave one number, the error names the files and the command that renumbers; what both come from is nobody's."""
    line = {name: f"{'a' * 64}  {name}" for name in ("0001_a.sql", "0002_b.up.sql", "0002_b.down.sql", "0002_c.sql")}
    ours = "\n".join((line["0002_b.down.sql"], line["0002_b.up.sql"]))
    text = f"x\n{line['0001_a.sql']}\n<<<<<<< HEAD\n{ours}\n{base}=======\n{line['0002_c.sql']}\n>>>>>>> other\n"
    (tmp_path / "roost.sum").write_text(text)
    with pytest.raises(ManifestConflict) as caught:
        folder_hash(tmp_path)
    error = caught.value
    assert (error.ours, error.theirs) == (("0002_b.down.sql", "0002_b.up.sql"), ("0002_c.sql",))
    assert "only this side has 0002_b.down.sql, 0002_b.up.sql; only the other side has 0002_c.sql; " in error.message
    assert error.same_number == ("0002_b.down.sql", "0002_b.up.sql", "0002_c.sql")
    assert error.hint.endswith("roost new --renumber")


def test_a_file_counts_by_its_text(tmp_path: Path) -> None:
    """A checkout with CRLF line ends or a byte order mark, in files and manifest, is the same; and so is its hash."""
    write_manifest(make(tmp_path, a="SELECT 1;\nSELECT 2;\n", b="SELECT 3;\n"))
    before = folder_hash(tmp_path)
    make(tmp_path, a="SELECT 1;\r\nSELECT 2;\r\n", b=BOM + b"SELECT 3;\r\n")
    edit(tmp_path, lambda data: BOM + data.replace(b"\n", b"\r\n"))
    assert len(read_proven(tmp_path).files) == 2
    assert folder_hash(tmp_path) == before
    make(tmp_path, a="SELECT 1;\rSELECT 2;\n")
    with pytest.raises(ManifestMismatch):
        read_proven(tmp_path)


def test_a_right_manifest_is_left_untouched(tmp_path: Path) -> None:
    """Writing again changes nothing of the file, not even its line ends; and a folder holds nothing but files and manifest."""
    make(tmp_path, a="A", b="B")
    assert write_manifest(tmp_path) == ManifestChanges(written=True, added=("a.sql", "b.sql"))
    edit(tmp_path, lambda data: data.replace(b"\n", b"\r\n"))
    before, identity = contents(tmp_path), (tmp_path / "roost.sum").stat()
    assert write_manifest(tmp_path) == ManifestChanges(written=False)
    after = (tmp_path / "roost.sum").stat()
    assert (after.st_ino, after.st_mtime_ns) == (identity.st_ino, identity.st_mtime_ns)
    assert contents(tmp_path) == before
    assert set(before) == {"a.sql", "b.sql", "roost.sum"}


def test_what_is_written_is_told(tmp_path: Path) -> None:
    """Writing tells what was added, changed and removed, and keeps the file's mode."""
    write_manifest(make(tmp_path, a="A", b="B", c="C"))
    (tmp_path / "roost.sum").chmod(0o640)
    (tmp_path / "c.sql").unlink()
    assert write_manifest(make(tmp_path, b="BB", d="D")) == ManifestChanges(
        written=True, added=("d.sql",), changed=("b.sql",), removed=("c.sql",)
    )
    assert (tmp_path / "roost.sum").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("change", "line", "reason"),
    [
        (lambda data: b"", None, "it is empty"),
        (lambda data: b"\n \r\n", None, "it is empty"),
        (lambda data: data.partition(b"\n")[2], 1, "the first line is not that of a roost.sum"),
        (lambda data: data.replace(b"roost.sum 1 ", b"roost.sum 2 "), 1, "it has form 2, and this roost knows form 1"),
        (lambda data: data.replace(b"roost.sum 1 ", b"roost.sum " + b"1" * 5000 + b" "), 1, "the first line is not"),
        (lambda data: data + b"<<<<<<< HEAD\n", 4, "a merge conflict is left in it"),
        (lambda data: data.replace(b"\n", b"\n=======\n", 1), 2, "a merge conflict is left in it"),
        (lambda data: data + b"what is this\n", 4, "it is not a SHA-256 in hex"),
        (lambda data: data.replace(b"  b.sql", b"  b\xff.sql") + b"\n", 4, "it is not a SHA-256 in hex"),
        (lambda data: data + data.splitlines(keepends=True)[2], 4, "'b.sql' is listed a second time"),
        (lambda data: b"".join(data.splitlines(keepends=True)[line] for line in (0, 2, 1)), 3, "'a.sql' stands after 'b.sql'"),
        (lambda data: b"".join(data.splitlines(keepends=True)[:2]), 1, "its hash is not that of the lines below"),
        (lambda data: data.removesuffix(b"\n"), 1, "its hash is not that of the lines below"),
        (lambda data: data.replace(b"  b.sql", b"  b\xff.sql"), 1, "its hash is not that of the lines below"),
    ],
)
def test_a_manifest_that_is_no_use(tmp_path: Path, change: Edit, line: int | None, reason: str) -> None:
    """What is wrong with a manifest is told by its line, with or without a look at the files; writing it anew mends it."""
    write_manifest(make(tmp_path, a="A", b="B"))
    edit(tmp_path, change)
    for use in (folder_hash, read_proven):
        with pytest.raises(InvalidManifest) as caught:
            use(tmp_path)
        assert (caught.value.path, caught.value.line) == (str(tmp_path / "roost.sum"), line)
        assert caught.value.reason.startswith(reason)
        assert "roost check --write" in caught.value.hint
    assert write_manifest(tmp_path).written
    assert len(read_proven(tmp_path).files) == 2


def test_lines_that_were_hashed_but_are_none(tmp_path: Path) -> None:
    """A hash that fits the lines is no excuse for lines that are none, once they have to be read."""
    data = render({"b.sql": "not hex"})
    assert manifest_hash(data, path="x")
    with pytest.raises(InvalidManifest) as caught:
        hashes_in(data, path="x")
    assert caught.value.line == 2


def test_odd_names_come_back_as_they_were() -> None:
    """A name is read as it was written, whatever is in it."""
    names = dict.fromkeys(("a\nb", "a\\nb", "\\", "a\r\nb", " a ", "*", "\u2028", "a\\\\nb"), "0" * 64)
    assert hashes_in(render(names), path="x") == names


def test_every_difference_is_named(tmp_path: Path) -> None:
    """One error names each file that is changed, missing or not listed, and the next command; one that breaks its line is quoted."""
    write_manifest(make(tmp_path, a="A", b="B", c="C"))
    (tmp_path / "b.sql").unlink()
    make(tmp_path, a="AA", d="D", **{"e\n": "E"})
    with pytest.raises(ManifestMismatch) as caught:
        read_proven(tmp_path)
    error = caught.value
    assert (error.changed, error.missing, error.unlisted) == (("a.sql",), ("b.sql",), ("d.sql", "e\n.sql"))
    assert error.message == (
        f"The SQL files are not those of {tmp_path / 'roost.sum'}: a.sql is changed; b.sql is missing; d.sql is not listed; "
        "'e\\n.sql' is not listed"
    )
    assert "roost check --write" in error.hint


def test_many_differences_are_cut() -> None:
    """A message names the first twenty files and says how many there are more; the fields have them all."""
    error = ManifestMismatch(path="p", unlisted=tuple(f"{number}.sql" for number in range(25)))
    assert error.message.endswith("; 19.sql is not listed; and 5 more")
    assert len(ManifestMismatch(path="p", unlisted=("a.sql",) * 20).message.split("; ")) == 20


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    """It is refused where a manifest is to be written, and none is; one that became so later is a changed file."""
    with pytest.raises(InvalidSqlFile, match="not UTF-8"):
        write_manifest(make(tmp_path, a=b"\xff"))
    assert set(contents(tmp_path)) == {"a.sql"}
    write_manifest(make(tmp_path, a="A"))
    with pytest.raises(ManifestMismatch) as caught:
        read_proven(make(tmp_path, a=b"\xff"))
    assert caught.value.changed == ("a.sql",)


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "a\tb", os.fsdecode(b"\xff")])
def test_names_that_no_step_can_have(tmp_path: Path, name: str) -> None:
    """A name that is not printable is refused, quoted on one line, and no manifest is written."""
    with pytest.raises(InvalidSqlFile) as caught:
        write_manifest(make(tmp_path, **{name: "SELECT 1"}))
    assert caught.value.message.isprintable()
    assert not (tmp_path / "roost.sum").exists()


def test_a_large_file(tmp_path: Path) -> None:
    """50 MB are hashed like anything else."""
    line = b"INSERT INTO t VALUES ('something');\n"
    write_manifest(make(tmp_path, a=line * (50_000_000 // len(line))))
    assert len(read_proven(tmp_path).files) == 1
    with (tmp_path / "a.sql").open("ab") as file:
        file.write(b" ")
    with pytest.raises(ManifestMismatch):
        read_proven(tmp_path)


def test_links_are_followed(tmp_path: Path) -> None:
    """A link to a file is that file, a linked manifest is written where it is, and a link that leads nowhere is an error."""
    folder, elsewhere = tmp_path / "folder", tmp_path / "elsewhere"
    folder.mkdir()
    make(tmp_path, real="A")
    (folder / "a.sql").symlink_to(tmp_path / "real.sql")
    (folder / "roost.sum").symlink_to(elsewhere)
    for read in (folder_hash, read_proven):
        with pytest.raises(InvalidManifest, match="a link that leads nowhere"):
            read(folder)
    write_manifest(folder)
    assert (folder / "roost.sum").readlink() == elsewhere
    assert elsewhere.read_bytes().endswith(b"  a.sql\n")
    make(tmp_path, real="AA")
    with pytest.raises(ManifestMismatch):
        read_proven(folder)
    (tmp_path / "real.sql").unlink()
    with pytest.raises(InvalidSqlFile, match="No such file"):
        read_proven(folder)


def test_a_link_to_itself(tmp_path: Path) -> None:
    """A migration that is a link to itself is told by its name."""
    (tmp_path / "a.sql").symlink_to(tmp_path / "a.sql")
    with pytest.raises(InvalidSqlFile) as caught:
        write_manifest(tmp_path)
    assert caught.value.path == str(tmp_path / "a.sql")


def test_no_manifest(tmp_path: Path) -> None:
    """Without a manifest nothing stands for the files, and they are read; a folder that is none is told as that."""
    assert folder_hash(make(tmp_path, a="A")) is None
    assert len(read_proven(tmp_path).files) == 1
    for nowhere in (tmp_path / "nowhere", tmp_path / "a.sql"):
        assert folder_hash(nowhere) is None
        for use in (read_proven, write_manifest):
            with pytest.raises(InvalidSqlFile, match="no such folder"):
                use(nowhere)


def test_a_manifest_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    """A folder in its place can be neither: each is an error of its own, and no draft is left behind."""
    make(tmp_path, a="A")
    (tmp_path / "roost.sum").mkdir()
    for read in (folder_hash, read_proven):
        with pytest.raises(InvalidManifest, match="it can't be read: Is a directory"):
            read(tmp_path)
    with pytest.raises(ManifestNotWritten, match="Is a directory"):
        write_manifest(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"a.sql", "roost.sum"}


@pytest.mark.parametrize("refused", ["open", "replace", "chmod"])
def test_a_folder_that_may_only_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str) -> None:
    """Where a file can't be made, its mode not set or the old one not replaced, the manifest of before stays, alone."""
    write_manifest(make(tmp_path, a="A"))
    before = contents(make(tmp_path, b="B"))
    original = getattr(Path, refused)

    def refuse(path: Path, *arguments: object, **options: object) -> object:
        if path.name.startswith(".roost.sum"):
            raise PermissionError(13, "Permission denied")
        return original(path, *arguments, **options)

    if refused == "chmod":
        monkeypatch.setattr(os, "chmod", lambda path, *_, **__: refuse(Path(path)))
    else:
        monkeypatch.setattr(Path, refused, refuse)
    with pytest.raises(ManifestNotWritten) as caught:
        write_manifest(tmp_path)
    assert caught.value.reason == "Permission denied"
    assert contents(tmp_path) == before


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\\"), max_size=20).filter(
    lambda text: "migrate:" not in text
)
names = st.text(st.sampled_from("ab01 -_é\\*"), min_size=1, max_size=6)
folders = st.dictionaries(names, texts, min_size=1, max_size=5)


def meant(text: str) -> str:
    """Return what counts of a file's text."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n")


@given(files=folders, data=st.data())
def test_any_single_change_is_found(files: dict[str, str], data: st.DataObject) -> None:
    """What was just written is clean; after one change of a file, a name or a line of the manifest it is not."""
    with tempfile.TemporaryDirectory() as place:
        folder = make(Path(place), **files)
        write_manifest(folder)
        assert len(read_proven(folder).files) == len(files)
        assert write_manifest(folder) == ManifestChanges(written=False)
        path = folder / f"{data.draw(st.sampled_from(sorted(files)), 'file')}.sql"
        change = data.draw(st.sampled_from(["text", "name", "gone", "new", "manifest"]), "change")
        if change == "text":
            before = meant(files[path.stem])
            path.write_bytes(data.draw(texts.filter(lambda text: meant(text) != before), "text").encode())
        elif change == "name":
            path.rename(folder / f"{data.draw(names.filter(lambda name: name not in files), 'name')}.sql")
        elif change == "gone":
            path.unlink()
        elif change == "new":
            make(folder, **{data.draw(names.filter(lambda name: name not in files), "name"): ""})
        else:
            edit(folder, lambda manifest: one_byte_changed(manifest, data))
        with pytest.raises((InvalidManifest, ManifestMismatch)):
            read_proven(folder)


def one_byte_changed(manifest: bytes, data: st.DataObject) -> bytes:
    """Replace, insert or take out one byte, anywhere but in the remark at the end of the first line."""
    first_line_end = manifest.index(b"\n")
    remark = range(manifest.index(b" made by"), first_line_end)
    at = data.draw(st.integers(0, len(manifest) - 1).filter(lambda at: at not in remark and at != first_line_end), "at")
    byte = bytes([data.draw(st.integers(0, 255).filter(lambda byte: byte not in (manifest[at], 0x0D)), "byte")])
    kind = data.draw(st.sampled_from(["replace", "insert", "delete"]), "kind")
    return manifest[:at] + (b"" if kind == "delete" else byte) + manifest[at + (kind != "insert") :]
