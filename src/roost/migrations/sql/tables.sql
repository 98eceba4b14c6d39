-- The ledger's tables: what was done to this database, by whom, and in whose turn.
-- Created under the advisory lock, in one transaction with the functions.

CREATE SCHEMA roost;

CREATE TABLE roost.meta (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    schema_version integer NOT NULL,
    oldest_reader integer NOT NULL
);
COMMENT ON COLUMN roost.meta.oldest_reader IS 'the lowest ledger version a roost must know to read this ledger';
INSERT INTO roost.meta (schema_version, oldest_reader) VALUES (5, 1);

CREATE TABLE roost.run (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    open boolean NOT NULL DEFAULT true,
    host text NOT NULL,
    pid integer NOT NULL,
    application_version text NOT NULL,
    backend_pid integer NOT NULL DEFAULT pg_catalog.pg_backend_pid(),
    started_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    finished_at timestamptz,
    trace_id text
);
COMMENT ON COLUMN roost.run.trace_id IS 'the trace that the run belonged to, where somebody traced it';
CREATE INDEX run_open ON roost.run (number) WHERE open;

CREATE TABLE roost.plugin (
    name text PRIMARY KEY,
    version text,
    chain text,
    settled text
);
COMMENT ON COLUMN roost.plugin.chain IS 'hash over the applied steps, in their order';
COMMENT ON COLUMN roost.plugin.settled IS 'digest of the declaration that was last found satisfied under the lock';

CREATE TABLE roost.applied (
    position bigint GENERATED ALWAYS AS IDENTITY,
    plugin text NOT NULL,
    step text NOT NULL,
    version text NOT NULL,
    state text NOT NULL CHECK (state IN ('done', 'intent', 'escaped', 'undoing')),
    fingerprint text NOT NULL,
    chain text NOT NULL,
    breaking boolean NOT NULL,
    requires text[] NOT NULL,
    down_sql text,
    run bigint NOT NULL,
    xid xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
    applied_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    statements_done integer NOT NULL DEFAULT 0,
    normal_form text,
    shape_before text,
    PRIMARY KEY (plugin, step)
);
COMMENT ON COLUMN roost.applied.state IS
    'done; intent: begun outside a transaction and not seen to end; escaped: a function ended its own transaction; '
    'undoing: its way back was begun outside a transaction and not seen to end';
COMMENT ON COLUMN roost.applied.statements_done IS 'of a step in doubt outside a transaction: how many of its statements were seen to end';
COMMENT ON COLUMN roost.applied.normal_form IS 'hash of a step''s SQL without its layout and comments; empty for functions';
COMMENT ON COLUMN roost.applied.shape_before IS 'of the first step of a run: hash of what the plugin''s schema held before it';

CREATE TABLE roost.history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run bigint NOT NULL,
    service text NOT NULL,
    plugin text NOT NULL,
    step text,
    version text NOT NULL,
    direction text NOT NULL CHECK (direction IN ('up', 'down')),
    success boolean NOT NULL,
    error text,
    attempts integer NOT NULL,
    started_at timestamptz NOT NULL,
    executed_at timestamptz NOT NULL,
    duration double precision NOT NULL,
    checksum text
);
COMMENT ON COLUMN roost.history.step IS 'empty where a version was reached without a step';
COMMENT ON COLUMN roost.history.duration IS 'seconds';

CREATE TABLE roost.repeatable (
    plugin text NOT NULL,
    step text NOT NULL,
    fingerprint text NOT NULL,
    run bigint NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (plugin, step)
);
COMMENT ON TABLE roost.repeatable IS 'what runs again whenever its text changes: the text that ran last';

CREATE TABLE roost.snapshot (
    plugin text NOT NULL,
    number integer NOT NULL,
    fingerprint text NOT NULL,
    objects jsonb NOT NULL,
    run bigint NOT NULL,
    taken_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (plugin, number)
);
COMMENT ON TABLE roost.snapshot IS 'what each plugin''s declared schema consisted of, change by change: those of the last one are the plugin''s own';
COMMENT ON COLUMN roost.snapshot.objects IS 'kind, schema, parent, name and definition of each';
