"""Prints a block of code of README, found by the comment above it: `<!-- block: at-startup -->`.

`.ci/run` runs what it prints where nothing but the wheel is installed. Only the standard library is used here.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

README = Path(__file__).resolve().parents[1] / "README.md"


def block(page: str, name: str) -> str:
    """Return the text between the fences that follow a block's comment.

    Args:
        page: The text of a page in Markdown.
        name: What stands in the comment after `block:`.

    Returns:
        The lines between the fences, each with its end.

    Raises:
        LookupError: There is no such comment with a fence on the next line, or more than one.
    """
    found: list[str] = re.findall(rf"^<!-- block: {re.escape(name)} -->\n```\w*\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    if len(found) != 1:
        raise LookupError(f"README has {len(found)} blocks named {name!r}; one is expected")
    return found[0]


if __name__ == "__main__":
    try:
        _, wanted = sys.argv
        sys.stdout.write(block(README.read_text("utf-8"), wanted))
    except ValueError:
        sys.exit("usage: readme_block.py NAME")
    except LookupError as error:
        sys.exit(str(error))
