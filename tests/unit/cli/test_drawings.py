from __future__ import annotations

from roost.cli._drawings import as_document, as_dot, as_mermaid, as_text
from roost.runtime import ServiceNode


def node(name: str, *needs: str, wave: int = 1, plugin: str | None = None) -> ServiceNode:
    return ServiceNode(name=name, plugin=plugin, service_type=None, needs=needs, wave=wave, location="app.py:1")


NODES = [node("mail", "db", wave=2, plugin="@org/post"), node('say "hi"', plugin="@org/post"), node("db")]


def test_text_has_a_line_a_service_in_waves() -> None:
    """A wave holds its services in registration order, each with its plugin and what it needs."""
    assert as_text(NODES).splitlines() == ["wave 1", '  say "hi" (@org/post)', "  db", "wave 2", "  mail (@org/post) <- db"]
    assert as_text([]) == "no services"


def test_mermaid_groups_by_plugin_and_escapes() -> None:
    """A plugin is a subgraph, an arrow leads to what is needed, and a quote in a name does not end the text."""
    assert as_mermaid(NODES).splitlines() == [
        "flowchart LR",
        '  subgraph "@org/post"',
        '    s0["mail"]',
        '    s1["say #quot;hi#quot;"]',
        "  end",
        '  s2["db"]',
        "  s0 --> s2",
    ]


def test_dot_groups_by_plugin_and_escapes() -> None:
    """As in Mermaid, in Graphviz's words."""
    assert as_dot([*NODES, node("back\\slash")]).splitlines() == [
        "digraph runtime {",
        "  rankdir=LR;",
        "  subgraph cluster_0 {",
        '    label="@org/post";',
        '    "mail";',
        '    "say \\"hi\\"";',
        "  }",
        '  "db";',
        '  "back\\\\slash";',
        '  "mail" -> "db";',
        "}",
    ]


def test_the_document_is_plain() -> None:
    """What JSON shows holds each field, lists for tuples."""
    assert as_document(NODES[:1]) == [
        {"name": "mail", "plugin": "@org/post", "type": None, "wave": 2, "needs": ["db"], "location": "app.py:1"}
    ]
