from __future__ import annotations

import copy
import dataclasses
import pickle
import shlex
import typing
from datetime import UTC, datetime
from typing import Any

import pytest

from roost import errors
from roost.errors import RoostError

SAMPLES: dict[str, Any] = {
    "str": "text",
    "int": 3,
    "float": 1.5,
    "bool": True,
    "datetime": datetime(2024, 1, 1, tzinfo=UTC),
    "tuple": ("one", "two"),
    "object": -1,
}


def kinds() -> list[type[RoostError]]:
    """Return every error that can be raised: the leaves that have fields or a message of their own."""
    found = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, RoostError)]
    return [kind for kind in found if "message" in vars(kind) and kind is not RoostError]


def sample(kind: type[RoostError]) -> RoostError:
    """Make an error with plausible facts."""
    fields: dict[str, dataclasses.Field[Any]] = getattr(kind, "__dataclass_fields__", {})
    hints = typing.get_type_hints(kind)
    facts: dict[str, Any] = {}
    for field in fields.values():
        text = str(hints[field.name])
        if "Exception" in text and "tuple" in text:
            facts[field.name] = (("a", ValueError("x")),)
        elif "Blocker" in text:
            facts[field.name] = (errors.Blocker(pid=7, application_name="psql", state="active", seconds=1.5, query="SELECT 1"),)
        elif field.name == "renames":
            facts[field.name] = (("old", "new"),)
        elif field.name == "reasons":
            facts[field.name] = ("ValueError: x",)
        elif "tuple" in text:
            facts[field.name] = SAMPLES["tuple"]
        else:
            facts[field.name] = next(value for name, value in SAMPLES.items() if name in text)
    return kind(**facts)


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_each_error_says_what_happened(kind: type[RoostError]) -> None:
    """Its text is its message and then its hint; it mentions its facts and is a sentence of its own, not the class's name."""
    error = sample(kind)
    assert error.message
    assert error.message != kind.__name__
    assert str(error) == (f"{error.message}\nhint: {error.hint}" if error.hint else error.message)
    assert "None" not in str(error)


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_each_error_travels_between_processes(kind: type[RoostError]) -> None:
    """Pickled and copied it is the same class with the same text."""
    error = sample(kind)
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301 -- its own bytes
        assert (type(other), str(other)) == (kind, str(error))


def test_there_are_families() -> None:
    """A caller may catch all of roost, or what concerns the runtime, the database, migrations or the command line."""
    families = {errors.RuntimeFault, errors.DatabaseError, errors.MigrationError, errors.CommandError}
    homeless = [kind.__name__ for kind in kinds() if not any(issubclass(kind, family) for family in families)]
    assert homeless == []


def test_a_group_is_flat_and_can_be_split() -> None:
    """``except*`` sees the errors themselves, a part of a group is a group of its kind that still knows the names, and each is told."""
    first, second = ValueError("one"), OSError("two")
    group = errors.RuntimeStopFailed(failures=(("a", first), ("b", second)), reasons=("ValueError: one", "OSError: two"))
    assert group.exceptions == (first, second)
    matching, rest = group.split(OSError)
    assert isinstance(matching, errors.RuntimeStopFailed)
    assert isinstance(rest, errors.RuntimeStopFailed)
    assert (matching.failures, rest.failures) == ((("b", second),), (("a", first),))
    assert str(group) == "Not everything stopped cleanly:\n- a: ValueError: one\n- b: OSError: two"
    assert str(rest) == "Not everything stopped cleanly: a: ValueError: one"


@pytest.mark.parametrize(
    ("plugin", "step", "command"),
    [
        ("notes", "fill", "roost repair notes fill --done"),
        ("@org/plugin-x", "it's two words", """roost repair @org/plugin-x 'it'"'"'s two words' --done"""),
        ("notes", "$(reboot)", "roost repair notes '$(reboot)' --done"),
        ("notes", "--done", "roost repair --done -- notes --done"),
    ],
)
def test_a_step_in_doubt_names_the_command_that_repairs_it(plugin: str, step: str, command: str) -> None:
    """Both kinds of doubt name it for either finding, so that a shell takes plugin and step as they are."""
    for error in (errors.StepEscaped(plugin=plugin, step=step), errors.StepOutcomeUnknown(plugin=plugin, step=step, sql="VACUUM")):
        assert f"if its effect is there, run: {command}; if it is not: roost repair " in error.hint
    parts = shlex.split(command)
    assert [word for word in parts[2:] if word not in ("--done", "--")] == [word for word in (plugin, step) if word != "--done"]


def test_a_role_without_rights_is_told_the_command_that_gives_them() -> None:
    """The hint holds the role as a shell takes it."""
    assert errors.LedgerDenied(role='the "app"', reason="no").hint.endswith("run: roost grant 'the \"app\"'")
