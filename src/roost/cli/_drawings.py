"""Draws a runtime's services and what they need, as text, Mermaid, Graphviz or JSON. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from roost.runtime import ServiceNode


class ServiceRow(TypedDict):
    """One service of a runtime.

    Attributes:
        name: Its name.
        plugin: The plugin that brings it; null for the runtime's own.
        type: What its class says, such as ``"migration"``.
        wave: In which wave it starts, from 1, as far as constructors say.
        needs: The names of the services that it needs, directly.
        location: Where its class is written, as ``file:line``.
    """

    name: str
    plugin: str | None
    type: str | None
    wave: int
    needs: list[str]
    location: str


def as_text(nodes: Sequence[ServiceNode]) -> str:
    """Return a line for each service, grouped in waves: each needs only services of the waves before it."""
    lines = []
    for wave in sorted({node.wave for node in nodes}):
        lines.append(f"wave {wave}")
        for node in nodes:
            if node.wave == wave:
                origin = f" ({node.plugin})" if node.plugin is not None else ""
                needs = f" <- {', '.join(node.needs)}" if node.needs else ""
                lines.append(f"  {node.name}{origin}{needs}")
    return "\n".join(lines) or "no services"


def as_mermaid(nodes: Sequence[ServiceNode]) -> str:
    """Return a Mermaid flowchart, a subgraph for each plugin (https://mermaid.js.org/syntax/flowchart.html)."""
    numbers = {node.name: f"s{index}" for index, node in enumerate(nodes)}
    lines = ["flowchart LR"]
    for plugin in dict.fromkeys(node.plugin for node in nodes):
        own = [f'{numbers[node.name]}["{_escaped(node.name)}"]' for node in nodes if node.plugin == plugin]
        if plugin is None:
            lines += [f"  {line}" for line in own]
        else:
            lines += [f'  subgraph "{_escaped(plugin)}"', *(f"    {line}" for line in own), "  end"]
    lines += [f"  {numbers[node.name]} --> {numbers[needed]}" for node in nodes for needed in node.needs]
    return "\n".join(lines)


def as_dot(nodes: Sequence[ServiceNode]) -> str:
    """Return a graph in Graphviz's language, a cluster for each plugin (https://graphviz.org/doc/info/lang.html)."""
    lines = ["digraph runtime {", "  rankdir=LR;"]
    for index, plugin in enumerate(dict.fromkeys(node.plugin for node in nodes)):
        own = [f"{_quoted(node.name)};" for node in nodes if node.plugin == plugin]
        if plugin is None:
            lines += [f"  {line}" for line in own]
        else:
            lines += [f"  subgraph cluster_{index} {{", f"    label={_quoted(plugin)};", *(f"    {line}" for line in own), "  }"]
    lines += [f"  {_quoted(node.name)} -> {_quoted(needed)};" for node in nodes for needed in node.needs]
    return "\n".join([*lines, "}"])


def as_document(nodes: Sequence[ServiceNode]) -> list[ServiceRow]:
    """Return what JSON holds: an object for each service."""
    return [
        ServiceRow(
            name=node.name,
            plugin=node.plugin,
            type=node.service_type,
            wave=node.wave,
            needs=list(node.needs),
            location=node.location,
        )
        for node in nodes
    ]


DRAW: dict[str, Callable[[Sequence[ServiceNode]], str]] = {"text": as_text, "mermaid": as_mermaid, "dot": as_dot}
"""For each form that is text how it is drawn."""


def _escaped(text: str) -> str:
    return text.replace('"', "#quot;")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
