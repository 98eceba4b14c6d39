-- What the comparison of the schemas {schemas} passes over: (schema, name, part, detail, brought about by, taken back by).
--
-- A row without a detail says that the thing is there: a relation or type, or a part of it, as a column. The other rows stand for what is
-- not as it is by itself. Names and statements are quoted and qualified; run this with search_path = '' or pg_catalog alone. PostgreSQL 14
-- and later.
WITH
  given AS (
    SELECT n.oid, n.nspname::text AS schema
    FROM pg_catalog.pg_namespace n
    WHERE n.nspname = ANY ({schemas})
  ),
  relation AS (
    SELECT
      c.*,
      g.schema,
      concat(quote_ident(g.schema), '.', quote_ident(c.relname)) AS path,
      CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'i' THEN 'INDEX' WHEN 'I' THEN 'INDEX' ELSE 'TABLE' END AS word
    FROM pg_catalog.pg_class c
    JOIN given g ON g.oid = c.relnamespace
    WHERE NOT EXISTS (
      SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
    )
  ),
  attribute AS (
    SELECT
      r.oid,
      r.schema,
      r.relname,
      r.relkind,
      r.relispartition,
      r.path,
      a.attnum,
      a.attname,
      concat('ALTER ', CASE r.relkind WHEN 'v' THEN 'VIEW ' ELSE 'TABLE ' END, r.path, ' ALTER COLUMN ', quote_ident(a.attname), ' ') AS alter_it,
      a.attstorage,
      t.typstorage,
      a.attcompression,
      NULLIF(a.attstattarget::integer, -1) AS statistics,
      a.attoptions,
      CASE a.attgenerated WHEN '' THEN pg_get_expr(d.adbin, d.adrelid) END AS by_default,
      col_description(r.oid, a.attnum) AS comment
    FROM relation r
    JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
    WHERE r.relkind IN ('r', 'p', 'v', 'm', 'c')
  )

-- What there is.
SELECT r.schema, r.relname::text AS name, '' AS part, '' AS detail, '' AS brought_about, '' AS taken_back
FROM relation r
UNION ALL
SELECT a.schema, a.relname, a.attname, '', '', '' FROM attribute a
UNION ALL
SELECT g.schema, t.typname, k.conname, '', '', ''
FROM given g
JOIN pg_catalog.pg_type t ON t.typnamespace = g.oid
JOIN pg_catalog.pg_constraint k ON k.contypid = t.oid

UNION ALL

-- Storage parameters: those of tables, of materialized views, and of the indexes behind constraints.
SELECT
  r.schema, r.relname, '', split_part(o.text, '=', 1),
  concat('ALTER ', r.word, ' ', r.path, ' SET (', split_part(o.text, '=', 1), ' = ', quote_literal(substr(o.text, strpos(o.text, '=') + 1)), ')'),
  concat('ALTER ', r.word, ' ', r.path, ' RESET (', split_part(o.text, '=', 1), ')')
FROM relation r
CROSS JOIN LATERAL unnest(r.reloptions) o (text)
WHERE r.relkind IN ('r', 'p', 'm')
  OR (r.relkind IN ('i', 'I') AND EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = r.oid AND k.contype IN ('p', 'u', 'x')))

UNION ALL

SELECT
  r.schema, r.relname, '', 'toast.' || split_part(o.text, '=', 1),
  concat('ALTER ', r.word, ' ', r.path, ' SET (toast.', split_part(o.text, '=', 1), ' = ', quote_literal(substr(o.text, strpos(o.text, '=') + 1)), ')'),
  concat('ALTER ', r.word, ' ', r.path, ' RESET (toast.', split_part(o.text, '=', 1), ')')
FROM relation r
JOIN pg_catalog.pg_class t ON t.oid = r.reltoastrelid
CROSS JOIN LATERAL unnest(t.reloptions) o (text)
WHERE r.relkind IN ('r', 'm')

UNION ALL

-- By which index a table is clustered.
SELECT
  r.schema, r.relname, '', 'cluster',
  concat('ALTER TABLE ', r.path, ' CLUSTER ON ', quote_ident(x.relname)),
  concat('ALTER TABLE ', r.path, ' SET WITHOUT CLUSTER')
FROM relation r
JOIN pg_catalog.pg_index i ON i.indrelid = r.oid AND i.indisclustered
JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
WHERE r.relkind = 'r'

UNION ALL

-- Columns of tables.
SELECT
  a.schema, a.relname, a.attname, 'storage',
  a.alter_it || 'SET STORAGE ' || CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END,
  a.alter_it || 'SET STORAGE ' || CASE a.typstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END
FROM attribute a
WHERE a.relkind IN ('r', 'p') AND a.attstorage <> a.typstorage

UNION ALL

SELECT
  a.schema, a.relname, a.attname, 'compression',
  a.alter_it || 'SET COMPRESSION ' || CASE a.attcompression WHEN 'p' THEN 'pglz' ELSE 'lz4' END,
  a.alter_it || 'SET COMPRESSION default'
FROM attribute a
WHERE a.relkind IN ('r', 'p') AND a.attcompression <> ''

UNION ALL

SELECT a.schema, a.relname, a.attname, 'statistics', a.alter_it || 'SET STATISTICS ' || a.statistics, a.alter_it || 'SET STATISTICS -1'
FROM attribute a
WHERE a.relkind IN ('r', 'p', 'm') AND a.statistics IS NOT NULL

UNION ALL

SELECT
  a.schema, a.relname, a.attname, split_part(o.text, '=', 1),
  concat(a.alter_it, 'SET (', split_part(o.text, '=', 1), ' = ', quote_literal(substr(o.text, strpos(o.text, '=') + 1)), ')'),
  concat(a.alter_it, 'RESET (', split_part(o.text, '=', 1), ')')
FROM attribute a
CROSS JOIN LATERAL unnest(a.attoptions) o (text)
WHERE a.relkind IN ('r', 'p', 'm')

UNION ALL

-- Defaults of partitions, where they are not their parents'.
SELECT
  a.schema, a.relname, a.attname, 'default',
  a.alter_it || COALESCE('SET DEFAULT ' || a.by_default, 'DROP DEFAULT'),
  a.alter_it || COALESCE('SET DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), 'DROP DEFAULT')
FROM attribute a
JOIN pg_catalog.pg_inherits i ON i.inhrelid = a.oid
JOIN pg_catalog.pg_attribute u ON u.attrelid = i.inhparent AND u.attname = a.attname AND u.attgenerated = ''
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = u.attrelid AND d.adnum = u.attnum
WHERE a.relispartition AND pg_get_expr(d.adbin, d.adrelid) IS DISTINCT FROM a.by_default

UNION ALL

-- Columns of views and of composite types.
SELECT a.schema, a.relname, a.attname, 'default', a.alter_it || 'SET DEFAULT ' || a.by_default, a.alter_it || 'DROP DEFAULT'
FROM attribute a
WHERE a.relkind = 'v' AND a.by_default IS NOT NULL

UNION ALL

SELECT
  a.schema, a.relname, a.attname, 'comment',
  concat('COMMENT ON COLUMN ', a.path, '.', quote_ident(a.attname), ' IS ', quote_literal(a.comment)),
  concat('COMMENT ON COLUMN ', a.path, '.', quote_ident(a.attname), ' IS NULL')
FROM attribute a
WHERE a.relkind IN ('v', 'm', 'c') AND a.comment IS NOT NULL

UNION ALL

-- Statistics of expressions in indexes.
SELECT
  r.schema, r.relname, '', 'statistics ' || a.attnum,
  concat('ALTER INDEX ', r.path, ' ALTER COLUMN ', a.attnum, ' SET STATISTICS ', a.attstattarget),
  concat('ALTER INDEX ', r.path, ' ALTER COLUMN ', a.attnum, ' SET STATISTICS -1')
FROM relation r
JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attstattarget >= 0
WHERE r.relkind IN ('i', 'I')

UNION ALL

-- Comments on the constraints of domains.
SELECT
  g.schema, t.typname, k.conname, 'comment',
  concat('COMMENT ON CONSTRAINT ', quote_ident(k.conname), ' ON DOMAIN ', quote_ident(g.schema), '.', quote_ident(t.typname), ' IS ', quote_literal(o.said)),
  concat('COMMENT ON CONSTRAINT ', quote_ident(k.conname), ' ON DOMAIN ', quote_ident(g.schema), '.', quote_ident(t.typname), ' IS NULL')
FROM given g
JOIN pg_catalog.pg_type t ON t.typnamespace = g.oid
JOIN pg_catalog.pg_constraint k ON k.contypid = t.oid
CROSS JOIN LATERAL obj_description(k.oid, 'pg_constraint') o (said)
WHERE o.said IS NOT NULL

UNION ALL

-- The sequences of serial columns: their comments, and their numbers where they are not as they come.
SELECT
  r.schema, r.relname, '', 'comment',
  concat('COMMENT ON SEQUENCE ', r.path, ' IS ', quote_literal(o.said)),
  concat('COMMENT ON SEQUENCE ', r.path, ' IS NULL')
FROM relation r
JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = r.oid AND d.refclassid = d.classid AND d.deptype = 'a'
CROSS JOIN LATERAL obj_description(r.oid, 'pg_class') o (said)
WHERE r.relkind = 'S' AND o.said IS NOT NULL

UNION ALL

SELECT
  r.schema, r.relname, '', 'numbers',
  concat(
    'ALTER SEQUENCE ', r.path, ' INCREMENT BY ', s.seqincrement, ' MINVALUE ', s.seqmin, ' MAXVALUE ', s.seqmax, ' START WITH ', s.seqstart,
    ' CACHE ', s.seqcache, CASE WHEN NOT s.seqcycle THEN ' NO' END, ' CYCLE'
  ),
  concat('ALTER SEQUENCE ', r.path, ' INCREMENT BY 1 NO MINVALUE NO MAXVALUE START WITH 1 CACHE 1 NO CYCLE')
FROM relation r
JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = r.oid AND d.refclassid = d.classid AND d.deptype = 'a'
JOIN pg_catalog.pg_sequence s ON s.seqrelid = r.oid
WHERE (s.seqincrement, s.seqmin, s.seqstart, s.seqcache, s.seqcycle) <> (1, 1, 1, 1, false)
  OR s.seqmax <> CASE format_type(s.seqtypid, NULL) WHEN 'smallint' THEN 32767 WHEN 'integer' THEN 2147483647 ELSE 9223372036854775807 END
