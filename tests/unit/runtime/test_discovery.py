from __future__ import annotations

import sys
from pathlib import Path

import pytest

from roost import Plugin, Runtime
from roost.errors import InvalidPlugin, PluginNotInstalled
from roost.runtime import available_plugins, discover_plugins

ENTRY_POINTS = """[roost.plugins]
offered-a = offered_a:plugin
offered-b = offered_b:make
offered-raises = offered_raises:plugin
offered-wrong = offered_a:wrong
"""


@pytest.fixture(autouse=True)
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a distribution that offers plugins, in a folder of its own."""
    info = tmp_path / "offered-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: offered\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    (tmp_path / "offered_a.py").write_text("from roost import Plugin\nplugin = Plugin('a')\nwrong = 7\n")
    (tmp_path / "offered_b.py").write_text("from roost import Plugin\ndef make():\n    return Plugin('b')\n")
    (tmp_path / "offered_raises.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("offered_a", "offered_b", "offered_raises"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_only_what_is_named_is_imported() -> None:
    """The others are listed, and stay unimported."""
    assert set(available_plugins()) >= {"offered-a", "offered-b", "offered-raises", "offered-wrong"}
    assert discover_plugins("offered-a") == (Plugin("a"),)
    assert "offered_a" in sys.modules
    assert not {"offered_b", "offered_raises"} & set(sys.modules)


def test_a_function_may_make_the_plugin() -> None:
    """An entry point names a plugin, or a function that returns one; the order is that of the names."""
    assert [plugin.name for plugin in discover_plugins("offered-b", "offered-a")] == ["b", "a"]
    runtime = Runtime.discover("offered-b", plugins=[Plugin("own")], stop_timeout=3.0)
    assert ([plugin.name for plugin in runtime.plugins], runtime.limits.stop) == (["b", "own"], 3.0)


def test_all_must_be_asked_for() -> None:
    """No name imports nothing; the star imports everything, and so meets the one that raises."""
    assert discover_plugins() == ()
    with pytest.raises(InvalidPlugin, match="imported"):
        discover_plugins("*")


@pytest.mark.parametrize(("name", "says"), [("offered-raises", "can't be imported"), ("offered-wrong", "is int")])
def test_what_is_no_plugin(name: str, says: str) -> None:
    """It is refused by its name and what was found."""
    with pytest.raises(InvalidPlugin, match=says):
        discover_plugins(name)


def test_a_name_that_nobody_offers() -> None:
    """It is refused with the nearest name."""
    with pytest.raises(PluginNotInstalled) as caught:
        discover_plugins("offered_a")
    assert caught.value.suggestions[0] == "offered-a"
