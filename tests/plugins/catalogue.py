"""A fingerprint of what a database holds besides rows: equal before and after means that nothing was made, changed or dropped."""

from __future__ import annotations

from tests.plugins.build import query

# Not whole rows: what statistics and vacuum write into the catalogue is no change of anybody's.
_PARTS = """
WITH own AS (SELECT oid, nspname FROM pg_namespace WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast'))
SELECT 'schema', oid::text, nspname::text FROM own
UNION ALL
SELECT 'relation', c.oid::text, concat_ws(' ', nspname, relname, relkind, relfilenode, relhasindex, relowner, relacl::text)
FROM pg_class AS c JOIN own ON own.oid = relnamespace
UNION ALL
SELECT 'column', c.oid::text,
    concat_ws(' ', attname, attnum, format_type(atttypid, atttypmod), attnotnull, attisdropped, pg_get_expr(adbin, adrelid))
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = attrelid JOIN own ON own.oid = relnamespace
LEFT JOIN pg_attrdef AS d ON adrelid = attrelid AND adnum = attnum
UNION ALL
SELECT 'constraint', x.oid::text, concat_ws(' ', conname, contype, convalidated, pg_get_constraintdef(x.oid))
FROM pg_constraint AS x JOIN own ON own.oid = connamespace
UNION ALL
SELECT 'function', p.oid::text, concat_ws(' ', proname, md5(prosrc)) FROM pg_proc AS p JOIN own ON own.oid = pronamespace
UNION ALL
SELECT 'type', t.oid::text, concat_ws(' ', typname, typtype) FROM pg_type AS t JOIN own ON own.oid = typnamespace
UNION ALL
SELECT 'enum value', e.oid::text, enumlabel::text FROM pg_enum AS e
UNION ALL
SELECT 'trigger', g.oid::text, tgname::text FROM pg_trigger AS g
"""


async def catalogue_of(url: str) -> str:
    """Return the fingerprint."""
    (found,) = await query(url, f"SELECT md5(coalesce(string_agg(part::text, chr(10) ORDER BY part::text), '')) FROM ({_PARTS}) AS part")
    return str(found)
