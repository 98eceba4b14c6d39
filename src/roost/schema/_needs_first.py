"""Puts what a function, a view or a table needs before it. Pure, but for one query.

PostgreSQL reads a body in standard SQL (``BEGIN ATOMIC``, ``RETURN``), the types of arguments, a view and a default when they are written:
all that they name must be there by then.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from roost.postgres import MigrationSession, ParsedStatement, names_of

Made = tuple[str, str, str]
"""Whether it is a function or a relation, its schema and its name."""

_NEEDS = """
WITH thing AS (
  SELECT 'pg_proc'::regclass AS class, p.oid, 'function' AS kind, n.nspname, p.proname AS name
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
  UNION ALL
  SELECT 'pg_class'::regclass, c.oid, 'relation', n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  UNION ALL
  SELECT 'pg_type'::regclass, t.oid, 'relation', n.nspname, c.relname
  FROM pg_class c JOIN pg_type r ON r.oid = c.reltype JOIN pg_type t ON t.oid IN (r.oid, r.typarray)
  JOIN pg_namespace n ON n.oid = c.relnamespace
  UNION ALL
  SELECT 'pg_rewrite'::regclass, r.oid, 'relation', n.nspname, c.relname
  FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
  UNION ALL
  SELECT 'pg_attrdef'::regclass, a.oid, 'relation', n.nspname, c.relname
  FROM pg_attrdef a JOIN pg_class c ON c.oid = a.adrelid JOIN pg_namespace n ON n.oid = c.relnamespace
)
SELECT DISTINCT a.kind, a.nspname, a.name, b.kind, b.nspname, b.name
FROM pg_depend d
JOIN thing a ON (a.class, a.oid) = (d.classid, d.objid)
JOIN thing b ON (b.class, b.oid) = (d.refclassid, d.refobjid)
WHERE (a.kind, a.nspname, a.name) <> (b.kind, b.nspname, b.name)
  AND a.nspname !~ '^pg_' AND a.nspname <> 'information_schema' AND b.nspname !~ '^pg_' AND b.nspname <> 'information_schema'
"""


async def needs(session: MigrationSession) -> dict[Made, frozenset[Made]]:
    """Read what the functions, views and tables of a database need of each other.

    Raises:
        Exception: As the driver raises it.
    """
    found: dict[Made, set[Made]] = {}
    for row in await session.rows(_NEEDS):
        kind, schema, name, *needed = (value or "" for value in row)
        found.setdefault((kind, schema, name), set()).add((needed[0], needed[1], needed[2]))
    return {made: frozenset(others) for made, others in found.items()}


def with_needs_first(statements: Sequence[ParsedStatement], needed: Mapping[Made, Collection[Made]]) -> list[ParsedStatement]:
    """Return statements with what makes a thing moved before the first one that makes what needs it.

    Args:
        statements: The statements, in an order that is right but for what functions need and who needs them.
        needed: What things need.
    """
    makers: dict[Made, list[int]] = {}
    for index, statement in enumerate(statements):
        if (made := _made_by(statement)) is not None:
            makers.setdefault(made, []).append(index)
    order: dict[int, None] = {}
    seen: set[int] = set()
    for index in range(len(statements)):
        waiting = [index]
        while waiting:
            place = waiting[-1]
            if place in seen:
                order.setdefault(waiting.pop())
                continue
            seen.add(place)
            made = _made_by(statements[place])
            others = sorted(needed.get(made, ()), reverse=True) if made is not None else []
            # What needs each other in a circle stays as it is.
            waiting += [maker for other in others for maker in reversed(makers.get(other, [])) if maker not in seen]
    return [statements[place] for place in order]


def _made_by(statement: ParsedStatement) -> Made | None:
    tree = statement.tree
    if statement.kind == "create_function_stmt":
        names = names_of(tree["funcname"])
        return ("function", names[0] if len(names) > 1 else "", names[-1])
    relation = {"create_stmt": tree.get("relation"), "view_stmt": tree.get("view")}.get(statement.kind)
    if statement.kind == "create_table_as_stmt":
        relation = tree["into"]["rel"]
    return None if relation is None else ("relation", relation.get("schemaname", ""), relation["relname"])
