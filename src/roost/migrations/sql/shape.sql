-- What a plugin's own schema holds, so that a rollback can be held against what was there before. Ledger version 3.

-- Returns a hash of all that a schema holds but its data: relations with their columns, constraints, indexes, views, functions, types,
-- sequences, triggers, rules, policies and extended statistics. What belongs to an extension stands for itself by the extension's version.
-- No object's number is in it, and columns count by their order, so that what is dropped and made again is the same. Before the hash stand
-- the version of this function and the server's, as another server may write the same thing in other words.
-- To write a view down locks all that it reads. Where somebody keeps one of these locked, nothing is returned: a step does not wait for it.
CREATE FUNCTION roost.shape(schema_name text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms' AS $$
DECLARE
    place oid := to_regnamespace(quote_ident(schema_name));
    held text;
BEGIN
    WITH relation AS MATERIALIZED (
        SELECT * FROM pg_class AS c WHERE relnamespace = place
        AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')
    ),
    thing (kind, name, said) AS (
        SELECT 'relation', relname::text,
               concat_ws(' ', relkind, relpersistence, relrowsecurity, relforcerowsecurity, reloptions,
                         CASE relkind WHEN 'p' THEN pg_get_partkeydef(oid) WHEN 'v' THEN pg_get_viewdef(oid) WHEN 'm' THEN pg_get_viewdef(oid) END,
                         pg_get_expr(relpartbound, oid), reloftype::regtype)
        FROM relation WHERE relkind NOT IN ('i', 'I')
        UNION ALL
        SELECT 'inheritance', r.relname, concat_ws(' ', inhseqno, inhparent::regclass) FROM pg_inherits JOIN relation AS r ON r.oid = inhrelid
        WHERE r.relkind NOT IN ('i', 'I')
        UNION ALL
        SELECT 'column', relname,
               concat_ws(' ', lpad(row_number() OVER (PARTITION BY attrelid ORDER BY attnum)::text, 5), quote_ident(attname),
                         format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated, attcollation::regcollation, attstorage,
                         attcompression, attoptions, pg_get_expr(adbin, adrelid))
        FROM pg_attribute JOIN relation AS r ON r.oid = attrelid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE attnum > 0 AND NOT attisdropped AND relkind NOT IN ('i', 'I', 'S')
        UNION ALL
        SELECT 'sequence', relname,
               concat_ws(' ', seqtypid::regtype, seqstart, seqincrement, seqmax, seqmin, seqcache, seqcycle,
                         (SELECT refobjid::regclass || ' ' || attname FROM pg_depend JOIN pg_attribute
                          ON attrelid = refobjid AND attnum = refobjsubid
                          WHERE classid = 'pg_class'::regclass AND objid = r.oid AND refclassid = 'pg_class'::regclass
                          AND deptype IN ('a', 'i')))
        FROM pg_sequence JOIN relation AS r ON r.oid = seqrelid
        UNION ALL
        SELECT 'constraint', conname, concat_ws(' ', conrelid::regclass, contypid::regtype, pg_get_constraintdef(c.oid), convalidated)
        FROM pg_constraint AS c WHERE connamespace = place
        UNION ALL
        SELECT 'index', r.relname,
               concat_ws(' ', pg_get_indexdef(indexrelid), indisvalid, indisclustered, indisreplident, r.reloptions)
        FROM pg_index JOIN relation AS r ON r.oid = indexrelid
        UNION ALL
        SELECT 'trigger', tgname, concat_ws(' ', pg_get_triggerdef(t.oid), tgenabled)
        FROM pg_trigger AS t JOIN relation AS r ON r.oid = tgrelid WHERE NOT tgisinternal
        UNION ALL
        SELECT 'rule', rulename, concat_ws(' ', pg_get_ruledef(w.oid), ev_enabled)
        FROM pg_rewrite AS w JOIN relation AS r ON r.oid = ev_class WHERE rulename <> '_RETURN'
        UNION ALL
        SELECT 'policy', polname,
               concat_ws(' ', relname, polcmd, polpermissive, polroles::regrole[], pg_get_expr(polqual, polrelid),
                         pg_get_expr(polwithcheck, polrelid))
        FROM pg_policy JOIN relation AS r ON r.oid = polrelid
        UNION ALL
        SELECT 'function', p.oid::regprocedure::text,
               CASE prokind
                   WHEN 'a' THEN concat_ws(' ', prorettype::regtype, a.*::text)
                   ELSE pg_get_functiondef(p.oid)
               END
        FROM pg_proc AS p
        LEFT JOIN LATERAL (
            SELECT aggkind, aggtransfn, aggfinalfn, aggcombinefn, aggtranstype::regtype, aggsortop::regoperator, agginitval
            FROM pg_aggregate WHERE aggfnoid = p.oid
        ) AS a ON true
        WHERE pronamespace = place
        AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e')
        UNION ALL
        SELECT 'type', typname,
               concat_ws(' ', typtype, format_type(nullif(typbasetype, 0), typtypmod), typnotnull, typdefault,
                         nullif(typcollation, 0)::regcollation,
                         (SELECT string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid),
                         (SELECT rngsubtype::regtype::text FROM pg_range WHERE rngtypid = t.oid))
        FROM pg_type AS t WHERE typnamespace = place AND typtype IN ('d', 'e', 'r', 'b') AND typelem = 0
        AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_type'::regclass AND objid = t.oid AND deptype = 'e')
        UNION ALL
        SELECT 'statistics', stxname, pg_get_statisticsobjdef(oid) FROM pg_statistic_ext WHERE stxnamespace = place
        UNION ALL
        SELECT 'extension', extname, extversion FROM pg_extension WHERE extnamespace = place
    )
    SELECT string_agg(concat_ws(' ', kind, name, said), E'\n' ORDER BY kind COLLATE "C", name COLLATE "C", said COLLATE "C")
    INTO held FROM thing;
    RETURN concat_ws(':', 1, current_setting('server_version_num')::integer / 10000,
                     encode(sha256(convert_to(coalesce(held, ''), 'UTF8')), 'hex'));
EXCEPTION WHEN lock_not_available THEN
    RETURN NULL;
END $$;

-- Notes in the row of a step, which has just begun, what its plugin's schema holds before it.
CREATE FUNCTION roost.note_shape(plugin_name text, step_id text, schema_name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE roost.applied SET shape_before = roost.shape(schema_name) WHERE plugin = plugin_name AND step = step_id;
END $$;
