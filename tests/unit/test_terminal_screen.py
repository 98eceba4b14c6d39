from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress

from tools.terminal_screen import run_on_terminal, screen_of


def test_what_was_drawn_over_is_gone() -> None:
    """Bars that were drawn again and again are there once, as they were last, below the lines that were printed above them."""
    terminal = io.StringIO()
    console = Console(file=terminal, force_terminal=True, width=60, color_system=None)
    with Progress("{task.description} {task.completed}", console=console, auto_refresh=False) as progress:
        first, second = progress.add_task("first"), progress.add_task("second")
        for done in range(3):
            progress.update(first, completed=done)
            progress.update(second, completed=done * 2)
            progress.refresh()
        console.print("between")
    console.print("after")
    lines = [line.rstrip() for line in screen_of(terminal.getvalue()).splitlines()]
    assert lines == ["between", "first 2", "second 4", "after"]


def test_colours_stay() -> None:
    """What says how text looks is kept with the text, and an end of the terminal's is one line's end."""
    assert screen_of("\x1b[31mred\x1b[0m\r\n\r\nplain\r\n") == "\x1b[31mred\x1b[0m\n\nplain"


def test_a_sequence_that_is_not_known_is_refused() -> None:
    """A screen that would be told wrongly is an error."""
    with pytest.raises(ValueError, match="H"):
        screen_of("\x1b[2;2Hhere")


def test_a_command_sees_a_terminal_of_its_own(tmp_path: Path) -> None:
    """It runs where it is to run, on a terminal of the width asked for, with the environment that was given; its exit code is returned."""
    program = "import os, sys; print(sys.stdout.isatty(), os.get_terminal_size().columns, os.getcwd(), os.environ['A']); sys.exit(3)"
    code, written = run_on_terminal([sys.executable, "-c", program], directory=tmp_path, environment={"A": "b"}, width=91)
    assert (code, screen_of(written)) == (3, f"True 91 {tmp_path} b")
