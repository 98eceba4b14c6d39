"""The text of a manifest, ``roost.sum``: which SQL files a folder holds, by name and hash. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import NoReturn

from roost.errors import InvalidManifest, ManifestConflict, ManifestMismatch
from roost.migrations._manifest_conflict import CONFLICT, same_number, sides_of

MANIFEST_NAME = "roost.sum"
_VERSION = 1
_BOM = b"\xef\xbb\xbf"
_HEADER = re.compile(rb"# roost\.sum ([1-9]\d{0,8}) ([0-9a-f]{64})(?: .*)?")
_LINE = re.compile(r"(\\?)([0-9a-f]{64}) [ *](.+)", re.DOTALL)
_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r"}


def file_hash(data: bytes) -> str:
    """Return the SHA-256 of a file's text in hex; a byte order mark and CRLF line ends are no part of it."""
    return sha256(_plain(data)).hexdigest()


def render(hashes: Mapping[str, str]) -> bytes:
    """Write a manifest.

    The first line holds the hash of all others: two branches that add a file each change it in different ways, so that no merge
    goes unnoticed, and a reader needs no more than this line to know the folder. Below it the form is that of ``sha256sum``.

    Args:
        hashes: The hash of each file, by its name.
    """
    lines = "".join(f"{_line(name, hashes[name])}\n" for name in sorted(hashes)).encode()
    hint = "made by roost check --write; after a merge conflict run it again"
    return f"# roost.sum {_VERSION} {sha256(lines).hexdigest()} {hint}\n".encode() + lines


def manifest_hash(data: bytes, *, path: str) -> str:
    """Return the hash of all lines of a manifest, which stands for every file of its folder.

    Args:
        data: The manifest's bytes; a byte order mark and CRLF line ends are no part of it.
        path: Named by errors.

    Raises:
        InvalidManifest: It was not written by `render`, or was changed afterwards.
    """
    header, _, lines = _plain(data).partition(b"\n")
    found = _HEADER.fullmatch(header)
    if found is None or int(found[1]) != _VERSION or sha256(lines).hexdigest() != found[2].decode():
        _refuse(data, path=path)
    return found[2].decode()


def hashes_in(data: bytes, *, path: str) -> dict[str, str]:
    """Return what a manifest says: the hash of each file, by its name; errors as of `manifest_hash`."""
    manifest_hash(data, path=path)
    return _read_lines(_plain(data).partition(b"\n")[2], path=path)


def says(data: bytes, hashes: Mapping[str, str]) -> bool:
    """Tell whether a manifest is what `render` would write now."""
    return _plain(data) == render(hashes)


def legible_hashes(data: bytes) -> dict[str, str]:
    """Return what the lines of a manifest say that can be read, whatever is wrong with the others; later ones count."""
    matches = (_LINE.fullmatch(line) for line in _plain(data).decode(errors="replace").split("\n"))
    return {_unescaped(found): found[2] for found in matches if found is not None}


def refuse_mismatch(hashes: Mapping[str, str], *, files: Mapping[str, str], path: str) -> None:
    """Compare a manifest with the files of its folder.

    Args:
        hashes: What the manifest says.
        files: The hash of each file, by its name.
        path: The manifest.

    Raises:
        ManifestMismatch: They differ.
    """
    if hashes != files:
        raise ManifestMismatch(
            path=path,
            changed=tuple(sorted(name for name in hashes.keys() & files.keys() if hashes[name] != files[name])),
            missing=tuple(sorted(hashes.keys() - files.keys())),
            unlisted=tuple(sorted(files.keys() - hashes.keys())),
        )


def _plain(data: bytes) -> bytes:
    return data.removeprefix(_BOM).replace(b"\r\n", b"\n")


def _line(name: str, digest: str) -> str:
    escaped = "".join(_ESCAPES.get(character, character) for character in name)
    return f"{'' if escaped == name else chr(92)}{digest}  {escaped}"


def _unescaped(line: re.Match[str]) -> str:
    if not line[1]:
        return line[3]
    plain = {escaped: character for character, escaped in _ESCAPES.items()}
    return re.sub(r"\\.", lambda found: plain.get(found[0], found[0]), line[3])


def _refuse(data: bytes, *, path: str) -> NoReturn:
    """Find out why a manifest can't be used, for a person who has to mend it."""
    text = _plain(data)
    if not text.strip():
        raise InvalidManifest(path=path, reason="it is empty")
    for number, line in enumerate(text.split(b"\n"), start=1):
        if CONFLICT.fullmatch(line):
            raise _conflict(text, path=path, line=number)
    header, _, lines = text.partition(b"\n")
    found = _HEADER.fullmatch(header)
    if found is None:
        raise InvalidManifest(path=path, line=1, reason=f"the first line is not that of a {MANIFEST_NAME}")
    if int(found[1]) != _VERSION:
        raise InvalidManifest(path=path, line=1, reason=f"it has form {int(found[1])}, and this roost knows form {_VERSION}")
    _read_lines(lines, path=path)
    raise InvalidManifest(path=path, line=1, reason="its hash is not that of the lines below, which were edited or merged")


def _conflict(text: bytes, *, path: str, line: int) -> ManifestConflict:
    ours, theirs = map(legible_hashes, sides_of(text))
    return ManifestConflict(
        path=path,
        line=line,
        reason="a merge conflict is left in it",
        ours=tuple(sorted(ours.keys() - theirs.keys())),
        theirs=tuple(sorted(theirs.keys() - ours.keys())),
        same_number=same_number(ours.keys() | theirs.keys()),
    )


def _read_lines(lines: bytes, *, path: str) -> dict[str, str]:
    hashes: dict[str, str] = {}
    last = ""
    for number, line in enumerate(lines.removesuffix(b"\n").split(b"\n") if lines else (), start=2):
        found = _LINE.fullmatch(line.decode(errors="surrogateescape"))
        if found is None:
            raise InvalidManifest(path=path, line=number, reason="it is not a SHA-256 in hex, two spaces and the name of a file")
        name = _unescaped(found)
        if name in hashes:
            raise InvalidManifest(path=path, line=number, reason=f"{name!r} is listed a second time")
        if name < last:
            raise InvalidManifest(path=path, line=number, reason=f"{name!r} stands after {last!r}, and lines are in the order of names")
        hashes[name], last = found[2], name
    return hashes
