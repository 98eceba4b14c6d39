"""Writes `docs/reference/json`: the JSON Schema of what each command prints with ``--json``, made from the types of its documents.

`python -m tools.json_schemas` writes them. A command that is new gets an entry in `DOCUMENTS`.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Literal, NotRequired, TypedDict

from roost.cli import _documents as documents
from roost.cli._completion import CompletionDocument
from roost.cli._difference_text import DifferenceDocument
from roost.cli._doctor import DoctorDocument
from roost.cli._grant import GrantDocument
from roost.cli._init import ProjectDocument
from roost.cli._lint_documents import LintDocument
from roost.cli._new import RenumberedDocument
from roost.cli._new_plugin import NewPluginDocument
from roost.cli._new_writing import NewStepsDocument
from roost.cli._output import SCHEMA_VERSION, FailureDocument
from roost.cli._plugins import PluginsDocument
from roost.cli._services_command import ServicesDocument, SettingsDocument
from roost.cli._wait import WaitedDocument
from roost.migrations import RepairedStep
from tools.schemas_of_types import Schema, reference

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "reference" / "json"
PUBLISHED_AT = "https://github.com/roost-project/roost/raw/main/docs/reference/json/"

DOCUMENTS: dict[str, tuple[type, ...]] = {
    "baseline": (documents.ClaimDocument,),
    "check": (documents.CheckDocument,),
    "completion": (CompletionDocument,),
    "diff": (DifferenceDocument,),
    "doctor": (DoctorDocument,),
    "down": (documents.ReportDocument,),
    "grant": (GrantDocument,),
    "history": (documents.HistoryDocument,),
    "import": (documents.ClaimDocument,),
    "init": (ProjectDocument,),
    "lint": (LintDocument,),
    "mark": (documents.ClaimDocument,),
    "new": (NewStepsDocument, NewPluginDocument, RenumberedDocument),
    "plan": (documents.PlanDocument,),
    "plugins": (PluginsDocument,),
    "redo": (documents.RedoneDocument,),
    "rehearse": (documents.RehearsalDocument,),
    "repair": (RepairedStep,),
    "run": (),
    "services": (ServicesDocument, SettingsDocument),
    "status": (documents.StatusDocument,),
    "unlock": (documents.HolderDocument,),
    "unmark": (documents.UnmarkDocument,),
    "up": (documents.ReportDocument,),
    "wait": (WaitedDocument,),
}
"""For each command that has ``--json`` the documents that it may print, beside the one of an error."""

WATCHED = (documents.StatusLine, documents.StatusLost)
"""What is on a line of ``roost status --watch --json``."""


class LogLine(TypedDict):
    """A line of the log that standard error is with `--log-format json`; it has further members, which say what happened to what.

    Attributes:
        time: When it was written.
        level: How much it matters.
        logger: Who wrote it.
        message: What happened.
        roost_error: The name of an error's class.
        roost_hint: What to do about it.
        exception: A traceback.
        stack: Where it was written.
    """

    time: datetime
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
    logger: str
    message: str
    roost_error: NotRequired[str | None]
    roost_hint: NotRequired[str]
    exception: NotRequired[str]
    stack: NotRequired[str]


def schemas() -> dict[str, Schema]:
    """Return every schema by the name of its file."""
    found = {name: document_schema(f"What roost {name} --json prints", *kinds, command=name) for name, kinds in DOCUMENTS.items()}
    found["status-watch"] = document_schema("A line that roost status --watch --json prints", *WATCHED, command="status")
    found["error"] = document_schema("What any command prints with --json where it fails", command=None)
    log: dict[str, Schema] = {}
    found["log"] = {"title": "A line of roost --log-format json", **reference(LogLine, log), "$defs": log}
    return {
        f"{name}.schema.json": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": f"{PUBLISHED_AT}{name}.schema.json",
            **schema,
        }
        for name, schema in found.items()
    }


def document_schema(title: str, *kinds: type, command: str | None) -> Schema:
    """Return the schema of the documents that a command may print; of an error's document where it may be any command."""
    definitions: dict[str, Schema] = {}
    references = [reference(kind, definitions) for kind in (*kinds, FailureDocument)]
    name = {"type": "string"} if command is None else {"const": command}
    envelope = {
        "schema_version": {
            "const": SCHEMA_VERSION,
            "description": "Grows where a member goes, or means something else; not where one is added.",
        },
        "command": {**name, "description": "The command that printed this."},
    }
    for kind in (*kinds, FailureDocument):
        whole = definitions[kind.__name__]
        whole["properties"] = envelope | whole["properties"]
        whole["required"] = [*envelope, *whole["required"]]
    return {"title": title, "anyOf": references, "$defs": dict(sorted(definitions.items()))}


def texts() -> dict[Path, str]:
    """Return every file with the text that it is to have."""
    return {FOLDER / name: json.dumps(schema, ensure_ascii=False, indent=2) + "\n" for name, schema in schemas().items()}


def main() -> int:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    for path, text in texts().items():
        path.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
