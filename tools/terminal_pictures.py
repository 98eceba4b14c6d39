"""Draws what commands show on a terminal, as they run on the example agent server and a database that is empty at first.

`python -m tools.terminal_pictures` runs them, and writes a picture of each into `docs/pictures`.
"""

from __future__ import annotations

import asyncio
import html
import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.text import Text

from roost.postgres import EmbeddedPostgres
from tools.terminal_screen import run_on_terminal, screen_of

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "pictures"
WIDTH = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A command that is drawn.

    Attributes:
        command: Its words.
        exit_code: What it ends with.
        lines: So many lines are drawn at most; how many more there are is told below them.
        files: What the directory holds in which it runs, by name; without any it is the project's.
    """

    command: str
    exit_code: int = 0
    lines: int = 40
    files: Mapping[str, str] = field(default_factory=dict)


PICTURES: Mapping[str, Picture] = {
    "plan": Picture(command="roost plan", exit_code=3, lines=12),
    "up": Picture(command="roost up"),
    "status": Picture(command="roost status"),
    "lint": Picture(
        command="roost lint notes_sql",
        exit_code=4,
        files={
            "notes_sql/002_kind.sql": "ALTER TABLE notes ADD kind text;\nCREATE INDEX by_kind ON notes (kind);\n",
            "notes_sql/003_clear.sql": "DELETE FROM notes;\n",
        },
    ),
}
"""The pictures; each command runs after those before it."""

_FRAME = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-family: sans-serif; font-size: 18px; font-weight: bold; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""As rich's own, but with fonts that the reader has: nothing is loaded from elsewhere."""


_NOT_PASSED_ON = ("ROOST_", "PG", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES")
"""What would change a picture, by the names' beginnings."""

_FIGURES = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+")
"""Ids of runs, and numbers."""


def draw_all(database_url: str) -> dict[str, str]:
    """Run the commands one after another on a database, and return the pictures by their names.

    Raises:
        RuntimeError: A command ended with another exit code.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_PASSED_ON)}
    environment = {**kept, "ROOST_DATABASE_URL": database_url, "PYTHONWARNINGS": "ignore"}
    drawn = {}
    for name, wanted in PICTURES.items():
        words = [sys.executable, "-m", "roost.cli", *wanted.command.split()[1:]]
        with _directory_of(wanted) as directory:
            code, written = run_on_terminal(words, directory=directory, environment=environment, width=WIDTH)
        screen = screen_of(written)
        if code != wanted.exit_code:
            raise RuntimeError(f"{wanted.command} exited with {code}:\n{screen}")
        drawn[name] = draw(f"$ {wanted.command}\n{beginning(screen, lines=wanted.lines)}", name=name)
    return drawn


@contextmanager
def _directory_of(wanted: Picture) -> Iterator[Path]:
    if not wanted.files:
        yield ROOT
        return
    with tempfile.TemporaryDirectory() as directory:
        for name, text in wanted.files.items():
            path = Path(directory) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        yield Path(directory)


def beginning(screen: str, *, lines: int) -> str:
    """Return the first lines, and how many there are below them."""
    every = screen.split("\n")
    more = len(every) - lines
    return screen if more <= 0 else "\n".join([*every[:lines], f"\x1b[2m… {more} more lines\x1b[0m"])


def draw(screen: str, *, name: str) -> str:
    """Return lines with colours as an SVG."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="256")
    for line in Text.from_ansi(screen).split("\n"):
        for part in line.divide(range(WIDTH, len(line), WIDTH)):  # as a terminal goes on below, in the middle of a word
            console.print(part, soft_wrap=True)
    return console.export_svg(title="", code_format=_FRAME, unique_id=name)


def words_of(svg: str) -> list[str]:
    """Return what a picture says, line by line, figures aside: times differ from run to run."""
    rows: dict[float, list[tuple[float, str]]] = {}
    for x, y, text in re.findall(r'<text class="[^"]*" x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]*)</text>', svg):
        rows.setdefault(float(y), []).append((float(x), html.unescape(text)))
    lines = ("".join(text for _, text in sorted(row)) for _, row in sorted(rows.items()))
    return [_FIGURES.sub("0", " ".join(line.split())) for line in lines if line.strip()]


async def _on_a_server_of_its_own() -> dict[str, str]:
    with tempfile.TemporaryDirectory() as directory:
        async with EmbeddedPostgres(Path(directory) / "data") as server:
            return await asyncio.to_thread(draw_all, server.url)


def main() -> int:
    """Draw all pictures."""
    FOLDER.mkdir(exist_ok=True)
    for name, svg in asyncio.run(_on_a_server_of_its_own()).items():
        (FOLDER / f"{name}.svg").write_text(svg, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
