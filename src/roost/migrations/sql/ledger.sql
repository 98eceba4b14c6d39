-- The ledger, schema version 1: what was done to this database, by whom, and in whose turn.
-- Created under the run's advisory lock, in one transaction. Every function has a search_path of its own, because a step may
-- have left anything in the session's, and qualifies every name.

CREATE SCHEMA roost;

CREATE TABLE roost.meta (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    schema_version integer NOT NULL,
    oldest_reader integer NOT NULL
);
COMMENT ON COLUMN roost.meta.oldest_reader IS 'the lowest ledger version a roost must know to read this ledger';
INSERT INTO roost.meta (schema_version, oldest_reader) VALUES (1, 1);

CREATE TABLE roost.run (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    open boolean NOT NULL DEFAULT true,
    host text NOT NULL,
    pid integer NOT NULL,
    application_version text NOT NULL,
    backend_pid integer NOT NULL DEFAULT pg_catalog.pg_backend_pid(),
    started_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    finished_at timestamptz
);
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
    state text NOT NULL CHECK (state IN ('done', 'intent', 'escaped')),
    fingerprint text NOT NULL,
    chain text NOT NULL,
    breaking boolean NOT NULL,
    requires text[] NOT NULL,
    down_sql text,
    run bigint NOT NULL,
    xid xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
    applied_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (plugin, step)
);
COMMENT ON COLUMN roost.applied.state IS
    'done; intent: begun outside a transaction and not seen to end; escaped: a function ended its own transaction';

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

-- All functions are PL/pgSQL, whose plans last as long as the session; those of SQL functions are made anew at each call.

-- Refuses to go on unless this session holds the run's lock and its run is the open one.
-- The transaction's lock on the same key is granted only if nobody else holds it; giving the session's lock back proves that
-- it was ours, and while the transaction's lock stands nobody can come in between. The run's row catches a session that lost
-- its lock and got another run's turn.
CREATE FUNCTION roost.fence(run_number bigint, lock_key bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(lock_key) THEN
        RAISE EXCEPTION 'another session holds the migration lock' USING ERRCODE = 'RST01';
    END IF;
    IF NOT pg_advisory_unlock(lock_key) THEN
        RAISE EXCEPTION 'this session has lost the migration lock' USING ERRCODE = 'RST01';
    END IF;
    PERFORM pg_advisory_lock(lock_key);
    PERFORM 1 FROM roost.run WHERE number = run_number AND open;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'run % is no longer the open run', run_number USING ERRCODE = 'RST01';
    END IF;
END $$;

-- Opens a run under the lock and closes those that a dead process left open.
CREATE FUNCTION roost.open_run(run_id text, run_host text, run_pid integer, run_version text) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    new_number bigint;
BEGIN
    UPDATE roost.run SET open = false WHERE open;
    INSERT INTO roost.run (id, host, pid, application_version) VALUES (run_id, run_host, run_pid, run_version)
    RETURNING number INTO new_number;
    RETURN new_number;
END $$;

-- Begins a step's transaction: the fence, then the claim, a row that no second run can write.
CREATE FUNCTION roost.begin_step(
    run_number bigint, lock_key bigint, plugin_name text, step_id text, step_version text, step_state text,
    step_fingerprint text, step_chain text, step_breaking boolean, step_requires text[], step_down text
) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM roost.fence(run_number, lock_key);
    INSERT INTO roost.applied (plugin, step, version, state, fingerprint, chain, breaking, requires, down_sql, run)
    VALUES (plugin_name, step_id, step_version, step_state, step_fingerprint, step_chain, step_breaking, step_requires,
            step_down, run_number);
END $$;

-- Ends a step's transaction: it must still be the one that made the claim. Marks the step done and moves the plugin's head.
CREATE FUNCTION roost.finish_step(plugin_name text, step_id text, plugin_version text, plugin_chain text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM roost.clean_session();
    PERFORM 1 FROM roost.applied
    WHERE plugin = plugin_name AND step = step_id AND state = 'done' AND xid = pg_current_xact_id();
    IF NOT FOUND THEN
        UPDATE roost.applied SET state = 'done'
        WHERE plugin = plugin_name AND step = step_id AND state = 'escaped' AND xid = pg_current_xact_id();
        IF NOT FOUND THEN
            RAISE EXCEPTION 'step % of plugin % ended its own transaction', step_id, plugin_name USING ERRCODE = 'RST02';
        END IF;
    END IF;
    PERFORM roost.move_head(plugin_name, plugin_version, plugin_chain);
END $$;

-- Ends a step that ran outside a transaction: its intent becomes done.
CREATE FUNCTION roost.finish_intent(
    run_number bigint, lock_key bigint, plugin_name text, step_id text, plugin_version text, plugin_chain text
) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM roost.fence(run_number, lock_key);
    UPDATE roost.applied SET state = 'done' WHERE plugin = plugin_name AND step = step_id AND state = 'intent';
    PERFORM roost.move_head(plugin_name, plugin_version, plugin_chain);
END $$;

-- Begins the transaction that undoes a step: the fence, then a mark on the step's row that only this transaction can take away.
CREATE FUNCTION roost.begin_undo(run_number bigint, lock_key bigint, plugin_name text, step_id text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM roost.fence(run_number, lock_key);
    UPDATE roost.applied SET state = 'escaped', xid = pg_current_xact_id()
    WHERE plugin = plugin_name AND step = step_id AND state = 'done';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'step % of plugin % is not applied', step_id, plugin_name USING ERRCODE = 'RST01';
    END IF;
END $$;

-- Ends the transaction that undoes a step: it must still be the one that began it.
CREATE FUNCTION roost.finish_undo(plugin_name text, step_id text, plugin_version text, plugin_chain text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM roost.clean_session();
    DELETE FROM roost.applied
    WHERE plugin = plugin_name AND step = step_id AND state = 'escaped' AND xid = pg_current_xact_id();
    IF NOT FOUND THEN
        RAISE EXCEPTION 'step % of plugin % ended its own transaction', step_id, plugin_name USING ERRCODE = 'RST02';
    END IF;
    PERFORM roost.move_head(plugin_name, plugin_version, plugin_chain);
END $$;

-- Takes away what a step left in the session and no RESET reaches: temporary tables and subscriptions.
CREATE FUNCTION roost.clean_session() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF pg_catalog.pg_my_temp_schema() <> 0 THEN
        DISCARD TEMP;
    END IF;
    -- A LISTEN of this very transaction is not among the listening channels yet, so there is nothing to ask first.
    UNLISTEN *;
END $$;

-- Sets where a plugin stands; whatever was settled is so no more.
CREATE FUNCTION roost.move_head(plugin_name text, plugin_version text, plugin_chain text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO roost.plugin (name, version, chain, settled) VALUES (plugin_name, plugin_version, plugin_chain, NULL)
    ON CONFLICT (name) DO UPDATE SET version = excluded.version, chain = excluded.chain, settled = NULL;
END $$;

-- Writes one attempt at its end. It began `took` seconds ago; where that is null, with the present transaction.
CREATE FUNCTION roost.record(
    run_number bigint, service_name text, plugin_name text, step_id text, step_version text, step_direction text,
    succeeded boolean, error_text text, attempt_count integer, took double precision, body_checksum text
) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ended timestamptz := clock_timestamp();
    began timestamptz := CASE WHEN took IS NULL THEN now() ELSE ended - make_interval(secs => took) END;
BEGIN
    INSERT INTO roost.history (run, service, plugin, step, version, direction, success, error, attempts, started_at,
                               executed_at, duration, checksum)
    VALUES (run_number, service_name, plugin_name, step_id, step_version, step_direction, succeeded, error_text,
            attempt_count, began, ended, extract(epoch FROM ended - began)::double precision, body_checksum);
END $$;

-- Notes that a plugin's declaration was found satisfied under the lock.
CREATE FUNCTION roost.settle(plugin_name text, declaration text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO roost.plugin (name, settled) VALUES (plugin_name, declaration)
    ON CONFLICT (name) DO UPDATE SET settled = excluded.settled;
END $$;
