from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from roost.cli._services import plugin_to_import, plugins_of, refuse_unknown_plugin, service_to_undo
from roost.errors import BadUsage


def _reversible(plugin: str) -> Any:
    return SimpleNamespace(service_name=f"{plugin}-migration", plugin_name=plugin, rollback=lambda: None)


MEMORY, INBOX = _reversible("memory"), _reversible("inbox")
FOREIGN: Any = SimpleNamespace(service_name="foreign")


def test_service_without_plugin_stands_for_itself() -> None:
    """A service that names no plugin is listed under its own name."""
    assert plugins_of([MEMORY, FOREIGN]) == {"memory-migration": "memory", "foreign": "foreign"}


def test_only_plugin_need_not_be_named() -> None:
    """Where one plugin can roll back, it is meant."""
    assert service_to_undo([FOREIGN, MEMORY], plugin=None) is MEMORY


def test_named_plugin_is_chosen() -> None:
    """The plugin that is named is chosen among several."""
    assert service_to_undo([MEMORY, INBOX], plugin="inbox") is INBOX


def test_several_plugins_want_a_name() -> None:
    """Several plugins and no name are refused with their names."""
    with pytest.raises(BadUsage) as caught:
        service_to_undo([MEMORY, INBOX], plugin=None)
    assert caught.value.hint == "say which with --plugin: inbox, memory"


def test_unknown_plugin_is_refused() -> None:
    """A name that no service answers to is refused with the one that was meant, or with those that are there."""
    with pytest.raises(BadUsage) as caught:
        refuse_unknown_plugin("memry", [MEMORY, INBOX])
    assert str(caught.value) == "No plugin 'memry' has migrations in this runtime\nhint: did you mean memory?"
    with pytest.raises(BadUsage, match="there are: inbox, memory"):
        refuse_unknown_plugin("notes", [MEMORY, INBOX])


def test_plugin_that_cannot_roll_back_is_refused() -> None:
    """A service without `rollback` is refused, by name and without one."""
    with pytest.raises(BadUsage, match="Plugin foreign has no service that can roll back"):
        service_to_undo([FOREIGN, MEMORY], plugin="foreign")
    with pytest.raises(BadUsage, match="these can: memory"):
        service_to_undo([FOREIGN, MEMORY], plugin="foreign")
    with pytest.raises(BadUsage, match="No plugin can roll back\nhint: a declared schema goes back"):
        service_to_undo([FOREIGN], plugin=None)


def test_the_plugin_of_a_history() -> None:
    """The only plugin with steps need not be named; of several, or of none, and by a wrong name, it is refused with what there is."""
    notes: Any = SimpleNamespace(service_name="n", plugin_name="notes", known_steps=list)
    tags: Any = SimpleNamespace(service_name="t", plugin_name="tags", known_steps=list)
    assert plugin_to_import(None, [FOREIGN, notes]) == "notes"
    assert plugin_to_import("tags", [notes, tags]) == "tags"
    with pytest.raises(BadUsage) as caught:
        plugin_to_import(None, [notes, tags])
    assert caught.value.hint == "say with --plugin whose history it is: notes, tags"
    with pytest.raises(BadUsage, match="No plugin of this runtime has migrations"):
        plugin_to_import(None, [FOREIGN])
    with pytest.raises(BadUsage, match="No plugin 'tag' has migrations"):
        plugin_to_import("tag", [notes, tags])
