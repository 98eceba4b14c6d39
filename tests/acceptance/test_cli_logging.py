"""Standard error as a log of JSON lines, of the commands as processes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.plugins.roost_process import roost_in

PROJECT = """
import warnings
from roost import MigrationStep, Plugin, PluginMigrationService, Runtime


async def warn(ctx):
    warnings.warn("mind this", stacklevel=1)
    ctx.logger.info("filled %d", 2, extra={"rows": 2})


class NotesMigrations(PluginMigrationService):
    steps = [
        MigrationStep("make", "Make notes", up="CREATE TABLE notes (id int)", down="DROP TABLE notes", version="1.0.0"),
        MigrationStep("fill", "Fill notes", up=warn, down="SELECT 1", version="1.1.0"),
    ]


class BadMigrations(PluginMigrationService):
    steps = [MigrationStep("bad", "Break", up="SELECT 1/0", version="1.0.0")]


runtime = Runtime(plugins=[Plugin(name="notes", services=[NotesMigrations])])
broken = Runtime(plugins=[Plugin(name="bad", services=[BadMigrations])])
"""
Roost: TypeAlias = "Callable[..., tuple[int, str, list[dict[str, Any]]]]"


@pytest.fixture
def roost(tmp_path: Path, database_url: str) -> Roost:
    """Run ``roost`` on an empty database; return its exit code, its standard output, and its standard error line by line."""
    (tmp_path / "shop.py").write_text(PROJECT)

    run_in_words = roost_in(tmp_path, DATABASE_URL=database_url)

    def run(*arguments: str, **environment: str) -> tuple[int, str, list[dict[str, Any]]]:
        done = run_in_words(*arguments, **environment)
        return done.returncode, done.stdout, [json.loads(line) for line in done.stderr.splitlines()]

    return run


def test_every_line_is_a_document(roost: Roost) -> None:
    """Progress, warnings, what steps log and notes are lines of one log, with the fields of events; the result is where it always is."""
    code, result, lines = roost("up", "shop:runtime", "--log-format", "json")
    assert (code, result.startswith("2 steps run in ")) == (0, True)
    steps = [line for line in lines if line.get("roost_event") == "StepFinished"]
    assert [(line["logger"], line["level"], line["roost_plugin"], line["roost_step"], line["roost_error"]) for line in steps] == [
        ("roost.migrations", "INFO", "notes", "make", None),
        ("roost.migrations", "INFO", "notes", "fill", None),
    ]
    assert [line["rows"] for line in lines if line["message"] == "filled 2"] == [2]
    assert [line["logger"] for line in lines if "mind this" in line["message"]] == ["py.warnings"]
    assert lines[-1]["roost_event"] == "RunFinished"


def test_the_environment_may_choose_it(roost: Roost) -> None:
    """ROOST_LOG_FORMAT does for every command what the option does, and the option counts before it; another word is a usage error."""
    code, _, lines = roost("up", "shop:broken", "--json", ROOST_LOG_FORMAT="json")
    assert (code, lines[-1]["level"], lines[-1]["logger"], lines[-1]["roost_error"]) == (1, "ERROR", "roost.cli", "StepFailed")
    assert "division by zero" in lines[-1]["message"]
    assert lines[-1]["roost_hint"].startswith("the step was rolled back")
    code, _, lines = roost("up", "shop:runtime", ROOST_LOG_FORMAT="json")
    assert (code, bool(lines)) == (0, True)
    _, _, lines = roost("down", "shop:runtime", "--all", "--yes", ROOST_LOG_FORMAT="json")
    assert [line["roost_direction"] for line in lines if line.get("roost_event") == "StepFinished"] == ["down", "down"]
    with pytest.raises(json.JSONDecodeError):
        roost("up", "shop:runtime", "--log-format", "text", ROOST_LOG_FORMAT="json")
    with pytest.raises(json.JSONDecodeError, match="Expecting value"):
        roost("up", "shop:runtime", "--log-format", "xml")


def test_tables_for_the_eye_are_lines_too(roost: Roost) -> None:
    """What a command draws on standard error before it asks is logged line by line."""
    roost("up", "shop:runtime", "--log-format", "json")
    code, _, lines = roost("down", "shop:runtime", "--all", "--log-format", "json")
    assert (code, lines[-1]["roost_error"]) == (7, "RollbackUnconfirmed")
    assert {line["logger"] for line in lines} == {"roost.cli"}
    assert any("fill" in line["message"] for line in lines[:-1])
