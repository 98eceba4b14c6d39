-- From any earlier ledger to version 5. Each statement bears what is there already, as the versions differ in what they had. The functions
-- of all of them make way, in whatever form they came, for those of this version, which follow.

DO $$
DECLARE
    old regprocedure;
BEGIN
    FOR old IN SELECT oid FROM pg_catalog.pg_proc WHERE pronamespace = 'roost'::pg_catalog.regnamespace LOOP
        EXECUTE 'DROP FUNCTION ' || old;
    END LOOP;
END $$;

ALTER TABLE roost.applied
    ADD COLUMN IF NOT EXISTS statements_done integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS normal_form text,
    ADD COLUMN IF NOT EXISTS shape_before text,
    DROP CONSTRAINT applied_state_check,
    ADD CONSTRAINT applied_state_check CHECK (state IN ('done', 'intent', 'escaped', 'undoing'));

ALTER TABLE roost.run ADD COLUMN IF NOT EXISTS trace_id text;

CREATE TABLE IF NOT EXISTS roost.repeatable (
    plugin text NOT NULL,
    step text NOT NULL,
    fingerprint text NOT NULL,
    run bigint NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (plugin, step)
);

CREATE TABLE IF NOT EXISTS roost.snapshot (
    plugin text NOT NULL,
    number integer NOT NULL,
    fingerprint text NOT NULL,
    objects jsonb NOT NULL,
    run bigint NOT NULL,
    taken_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (plugin, number)
);

-- Who reads the ledger reads its new tables.
DO $$
DECLARE
    reader text;
BEGIN
    FOR reader IN
        SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::pg_catalog.regrole::text END
        FROM pg_catalog.pg_class AS c, pg_catalog.aclexplode(c.relacl) AS a
        WHERE c.oid = 'roost.applied'::pg_catalog.regclass AND a.privilege_type = 'SELECT'
    LOOP
        EXECUTE 'GRANT SELECT ON roost.repeatable, roost.snapshot TO ' || reader;
    END LOOP;
END $$;

UPDATE roost.meta SET schema_version = 5;
