-- Which schemas depend on which others: pairs of names, each pair once. The server's own schemas are left out.
--
-- A rule, a trigger, a default and a policy have no schema but their relation's. This is how pgmig looks at it, which refuses to leave out
-- a schema that is connected with one that it is to compare.
WITH
  thing AS (
    SELECT DISTINCT d.classid, d.objid, d.objsubid FROM pg_catalog.pg_depend d WHERE d.deptype IN ('n', 'a')
    UNION
    SELECT DISTINCT d.refclassid, d.refobjid, d.refobjsubid FROM pg_catalog.pg_depend d WHERE d.deptype IN ('n', 'a')
  ),
  placed AS (
    SELECT t.classid, t.objid, t.objsubid, COALESCE(i.schema, n.nspname) AS schema
    FROM thing t
    CROSS JOIN LATERAL pg_identify_object(t.classid, t.objid, t.objsubid) i
    LEFT JOIN pg_catalog.pg_class c ON c.oid = CASE t.classid
      WHEN 'pg_catalog.pg_rewrite'::regclass THEN (SELECT r.ev_class FROM pg_catalog.pg_rewrite r WHERE r.oid = t.objid)
      WHEN 'pg_catalog.pg_trigger'::regclass THEN (SELECT r.tgrelid FROM pg_catalog.pg_trigger r WHERE r.oid = t.objid)
      WHEN 'pg_catalog.pg_attrdef'::regclass THEN (SELECT r.adrelid FROM pg_catalog.pg_attrdef r WHERE r.oid = t.objid)
      WHEN 'pg_catalog.pg_policy'::regclass THEN (SELECT r.polrelid FROM pg_catalog.pg_policy r WHERE r.oid = t.objid)
    END
    LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  )
SELECT DISTINCT a.schema, b.schema
FROM pg_catalog.pg_depend d
JOIN placed a ON (a.classid, a.objid, a.objsubid) = (d.classid, d.objid, d.objsubid)
JOIN placed b ON (b.classid, b.objid, b.objsubid) = (d.refclassid, d.refobjid, d.refobjsubid)
WHERE d.deptype IN ('n', 'a')
  AND a.schema <> b.schema
  AND a.schema !~ '^pg_' AND a.schema <> 'information_schema'
  AND b.schema !~ '^pg_' AND b.schema <> 'information_schema'
