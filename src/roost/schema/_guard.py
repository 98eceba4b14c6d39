"""Decides which losses are allowed: those that are named. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roost.errors import DestructiveMigrationBlocked

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from roost.schema._changes import Identity, PluginChanges, SchemaChange

ALLOW_DATA_LOSS = "ROOST_ALLOW_DATA_LOSS"


def allowed_by_environment(environ: Mapping[str, str]) -> frozenset[str]:
    """Return the losses that an environment allows: the names in ``ROOST_ALLOW_DATA_LOSS``, with commas between them.

    Args:
        environ: The variables, such as `os.environ`.
    """
    return frozenset(name for one in environ.get(ALLOW_DATA_LOSS, "").split(",") if (name := one.strip()))


def loss_name(of: Identity, *, schema: str, part: str = "") -> str:
    """Name what would be lost: ``"agents"``, ``"agents.username"``, with the schema in front where it is not the plugin's own.

    Args:
        of: The object.
        schema: The plugin's schema.
        part: A value of an enum, or an attribute of a composite type.
    """
    _, own, parent, name = of
    parts = ("" if own == schema else own, parent, name, part)
    return ".".join(one for one in parts if one)


def is_allowed(change: SchemaChange, *, schema: str, allowed: Collection[str]) -> bool:
    """Tell whether all that a change would lose is named. A name allows just what it names, and that of an enum each of its values.

    Args:
        change: The change.
        schema: The plugin's schema.
        allowed: The names, each with or without the schema in front.
    """
    whole = {loss_name(change.object, schema=schema)} if change.object[0] == "type" else set[str]()
    return all(not _spellings({loss} | whole, schema).isdisjoint(allowed) for loss in change.loses)


def _spellings(names: set[str], schema: str) -> set[str]:
    return names | {f"{schema}.{name}" for name in names}


def blocked_error(changes: PluginChanges, *, environment: str) -> DestructiveMigrationBlocked:
    """Return the error that names each loss of a plugin's changes which is not allowed.

    Args:
        changes: A plugin's changes, some of them blocked.
        environment: ``"production"`` or ``"development"``: both are refused.
    """
    reasons = {loss: change.why for change in reversed(changes.blocked) for loss in reversed(change.loses)}
    losses = tuple(dict.fromkeys(loss for change in changes.blocked for loss in change.loses))
    return DestructiveMigrationBlocked(
        plugin=changes.plugin,
        losses=losses,
        reasons=tuple(reasons[loss] for loss in losses),
        environment=environment,
        renames=changes.rename_candidates,
    )
