"""Steps as a generator writes them, before they have a number or a place. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from roost.migrations import SqlFolder, steps_of
from roost.scaffold._rendering import render

if TYPE_CHECKING:
    from roost.migrations import MigrationStep


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One step to be written.

    Attributes:
        name: The step's name, such as ``"add_notes_kind"``.
        sql: The text of its SQL file, with dbmate's markers.
        function: The template of its Python module, where that is a function and no list of the same SQL.
        facts: What that template asks for.
    """

    name: str
    sql: str
    function: str | None = None
    facts: Mapping[str, object] = field(default_factory=dict)


def sql_files(drafts: Sequence[Draft], *, prefixes: Sequence[str], as_pairs: bool = False) -> dict[str, str]:
    """Return the SQL files of steps, by name.

    Args:
        drafts: The steps.
        prefixes: What stands before the name of each, as `next_prefixes` gives it.
        as_pairs: Whether each is two files, there and back. A step without a way back, or outside a transaction, is one all the same: only
            its markers can say so.
    """
    files: dict[str, str] = {}
    for prefix, draft in zip(prefixes, drafts, strict=True):
        step = _read(draft)
        if as_pairs and step.transactional and step.down is not None:
            files[f"{prefix}{draft.name}.up.sql"] = f"{str(step.up).strip()}\n"
            files[f"{prefix}{draft.name}.down.sql"] = f"{str(step.down).strip()}\n"
        else:
            files[f"{prefix}{draft.name}.sql"] = draft.sql
    return files


def python_module(drafts: Sequence[Draft], *, version: str | None, prefixes: Sequence[str] = ()) -> dict[str, str]:
    """Return the module that holds the same steps as a list ``steps``, by its file's name.

    Args:
        drafts: The steps.
        version: The version of the plugin that they belong to; None leaves it to the plugin.
        prefixes: What stands before the id of each, where the steps go between SQL files, whose order is that of their names.
    """
    first = drafts[0]
    ids = [f"{prefix}{draft.name}" for prefix, draft in zip(prefixes, drafts, strict=True)] if prefixes else list(map(_id_of, drafts))
    if first.function is not None:
        text = render(first.function, id=ids[0], description=_words_of(first), version=version, **first.facts)
    else:
        steps = [(step, _words_of(draft), _read(draft)) for step, draft in zip(ids, drafts, strict=True)]
        text = render("steps.py", steps=steps, version=version)
    return {f"{first.name}.py": text}


def _id_of(draft: Draft) -> str:
    return draft.name.replace("_", "-")


def _words_of(draft: Draft) -> str:
    return draft.name.replace("_", " ").capitalize()


def _read(draft: Draft) -> MigrationStep:
    """Read what was rendered as a run would: what can't be read is not written."""
    path = Path(f"{draft.name}.sql")
    (step,) = steps_of(SqlFolder(Path(), {path: draft.sql.encode()}, {}))
    return step
