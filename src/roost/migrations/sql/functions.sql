-- The ledger's functions, ledger version 4. All are PL/pgSQL, whose plans last as long as the session; those of SQL functions are made
-- anew at each call. Every function has a search_path of its own, because a step may have left anything in the session's, and
-- qualifies every name.
--
-- They refuse with SQLSTATEs of their own:
--   RST01  this run may write no more: its lock or its turn is lost
--   RST02  a step ended its own transaction
--   RST03  another run is at work just now (only where no run holds a lock for longer than a step)
--   RST04  the plugin has moved on since this was planned
-- Statements beside them use two more:
--   RST05  another server process answers than the one that greeted the run
--   RST06  an index that was built is not valid
--   RST07  a declared schema is not there after what should have brought it about

-- Refuses to go on unless it is this run's turn, and keeps all others out until the transaction ends.
-- The transaction's lock on the key is granted only if no other session holds it. Where a run holds the lock in its session, giving that
-- one back proves that it was ours, and while the transaction's lock stands nobody can come in between. The run's row catches a
-- session that lost its lock and got another run's turn, and a pooler that put another server process in the place of ours.
CREATE FUNCTION roost.fence(run_number bigint, lock_key bigint, step_by_step boolean) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(lock_key) THEN
        IF step_by_step THEN
            RAISE EXCEPTION 'another run is at work' USING ERRCODE = 'RST03';
        END IF;
        RAISE EXCEPTION 'another session holds the migration lock' USING ERRCODE = 'RST01';
    END IF;
    IF step_by_step THEN
        RETURN;
    END IF;
    IF NOT pg_advisory_unlock(lock_key) THEN
        RAISE EXCEPTION 'this session has lost the migration lock' USING ERRCODE = 'RST01';
    END IF;
    PERFORM pg_advisory_lock(lock_key);
    PERFORM 1 FROM roost.run WHERE number = run_number AND open AND backend_pid = pg_backend_pid();
    IF NOT FOUND THEN
        RAISE EXCEPTION 'run % is no longer the open run of this server process', run_number USING ERRCODE = 'RST01';
    END IF;
END $$;

-- Refuses what was planned on another state than the present one. Only a run that holds the lock all the time need not ask.
-- `planned_on` is the hash of the plugin's chain that the plan began with, `required` names the other plugins' steps it counts on.
CREATE FUNCTION roost.check_plan(plugin_name text, planned_on text, required text[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (SELECT chain FROM roost.plugin WHERE name = plugin_name) IS DISTINCT FROM planned_on THEN
        RAISE EXCEPTION 'plugin % has moved on since this was planned', plugin_name USING ERRCODE = 'RST04';
    END IF;
    IF EXISTS (
        SELECT FROM unnest(required) AS name
        WHERE NOT EXISTS (SELECT FROM roost.applied WHERE plugin || ':' || step = name AND state = 'done')
    ) THEN
        RAISE EXCEPTION 'what plugin % requires is no longer applied', plugin_name USING ERRCODE = 'RST04';
    END IF;
END $$;

-- Opens a run. Whoever holds the lock for a whole run closes those that a dead process left open.
CREATE FUNCTION roost.open_run(
    run_id text, run_host text, run_pid integer, run_version text, run_trace text, step_by_step boolean
) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    new_number bigint;
BEGIN
    IF NOT step_by_step THEN
        UPDATE roost.run SET open = false WHERE open;
    END IF;
    -- The first step that waits for the disk takes this along.
    SET LOCAL synchronous_commit = off;
    INSERT INTO roost.run (id, host, pid, application_version, trace_id)
    VALUES (run_id, run_host, run_pid, run_version, run_trace)
    RETURNING number INTO new_number;
    RETURN new_number;
END $$;

-- Begins a step's transaction: the fence, then the claim, a row that no second run can write. Several steps may come in one message;
-- the client hears at once which of them begins.
CREATE FUNCTION roost.begin_step(
    run_number bigint, lock_key bigint, step_by_step boolean, plugin_name text, planned_on text, step_id text, step_version text,
    step_state text, step_fingerprint text, step_normal_form text, step_chain text, step_breaking boolean, step_requires text[],
    step_down text
) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM roost.fence(run_number, lock_key, step_by_step);
    IF step_by_step THEN
        PERFORM roost.check_plan(plugin_name, planned_on, step_requires);
    END IF;
    INSERT INTO roost.applied (plugin, step, version, state, fingerprint, normal_form, chain, breaking, requires, down_sql, run)
    VALUES (plugin_name, step_id, step_version, step_state, step_fingerprint, step_normal_form, step_chain, step_breaking,
            step_requires, step_down, run_number);
    RAISE INFO 'roost: step begins' USING DETAIL = step_id;
END $$;

-- Ends a step's transaction: it must still be the one that made the claim. Marks the step done and moves the plugin's head.
CREATE FUNCTION roost.finish_step(
    lock_key bigint, step_by_step boolean, plugin_name text, step_id text, plugin_version text, plugin_chain text
) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM 1 FROM roost.applied
    WHERE plugin = plugin_name AND step = step_id AND state = 'done' AND xid = pg_current_xact_id();
    IF NOT FOUND THEN
        UPDATE roost.applied SET state = 'done'
        WHERE plugin = plugin_name AND step = step_id AND state = 'escaped' AND xid = pg_current_xact_id();
        IF NOT FOUND THEN
            RAISE EXCEPTION 'step % of plugin % ended its own transaction', step_id, plugin_name USING ERRCODE = 'RST02';
        END IF;
    END IF;
    PERFORM roost.clean_session(lock_key, step_by_step);
    PERFORM roost.move_head(plugin_name, plugin_version, plugin_chain);
END $$;

-- Takes up again a step outside a transaction whose intent is written down, as it is declared now; `ended` of its statements have ended.
CREATE FUNCTION roost.resume_step(
    run_number bigint, lock_key bigint, plugin_name text, step_id text, step_version text, step_fingerprint text, step_normal_form text,
    step_chain text, step_breaking boolean, step_requires text[], step_down text, ended integer
) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM roost.fence(run_number, lock_key, false);
    UPDATE roost.applied
    SET version = step_version, fingerprint = step_fingerprint, normal_form = step_normal_form, chain = step_chain,
        breaking = step_breaking, requires = step_requires, down_sql = step_down, run = run_number, xid = pg_current_xact_id(), statements_done = ended
    WHERE plugin = plugin_name AND step = step_id AND state = 'intent';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'step % of plugin % is no longer in doubt', step_id, plugin_name USING ERRCODE = 'RST04';
    END IF;
    RAISE INFO 'roost: step begins' USING DETAIL = step_id;
END $$;

-- Notes how many statements of a step outside a transaction have ended.
CREATE FUNCTION roost.note_statements(run_number bigint, lock_key bigint, plugin_name text, step_id text, ended integer) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM roost.fence(run_number, lock_key, false);
    UPDATE roost.applied SET statements_done = ended WHERE plugin = plugin_name AND step = step_id AND state IN ('intent', 'undoing');
    IF NOT FOUND THEN
        RAISE EXCEPTION 'step % of plugin % is no longer in doubt', step_id, plugin_name USING ERRCODE = 'RST04';
    END IF;
END $$;

-- Ends a step that ran outside a transaction: its intent becomes done.
CREATE FUNCTION roost.finish_intent(
    run_number bigint, lock_key bigint, plugin_name text, step_id text, plugin_version text, plugin_chain text
) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM roost.fence(run_number, lock_key, false);
    UPDATE roost.applied SET state = 'done', statements_done = 0 WHERE plugin = plugin_name AND step = step_id AND state = 'intent';
    PERFORM roost.clean_session(lock_key, false);
    PERFORM roost.move_head(plugin_name, plugin_version, plugin_chain);
END $$;

-- Begins the transaction that undoes a step: the fence, then the step's row. Where the way back is SQL, the row goes at once, as SQL can't
-- end its transaction. A function can: it finds a mark on the row that only this transaction can take away.
CREATE FUNCTION roost.begin_undo(
    run_number bigint, lock_key bigint, step_by_step boolean, plugin_name text, planned_on text, step_id text, by_function boolean
) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM roost.fence(run_number, lock_key, step_by_step);
    IF step_by_step THEN
        PERFORM roost.check_plan(plugin_name, planned_on, '{}');
    END IF;
    IF by_function THEN
        UPDATE roost.applied SET state = 'escaped', xid = pg_current_xact_id()
        WHERE plugin = plugin_name AND step = step_id AND state = 'done';
    ELSE
        DELETE FROM roost.applied WHERE plugin = plugin_name AND step = step_id AND state = 'done';
    END IF;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'step % of plugin % is not applied', step_id, plugin_name USING ERRCODE = 'RST04';
    END IF;
    RAISE INFO 'roost: step begins' USING DETAIL = step_id;
END $$;

-- Ends the transaction that undoes a step: it must still be the one that began it.
CREATE FUNCTION roost.finish_undo(
    lock_key bigint, step_by_step boolean, plugin_name text, step_id text, by_function boolean, plugin_version text, plugin_chain text
) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF by_function THEN
        DELETE FROM roost.applied
        WHERE plugin = plugin_name AND step = step_id AND state = 'escaped' AND xid = pg_current_xact_id();
        IF NOT FOUND THEN
            RAISE EXCEPTION 'step % of plugin % ended its own transaction', step_id, plugin_name USING ERRCODE = 'RST02';
        END IF;
    END IF;
    PERFORM roost.forget_repeatable(plugin_name);
    PERFORM roost.clean_session(lock_key, step_by_step);
    PERFORM roost.move_head(plugin_name, plugin_version, plugin_chain);
END $$;

-- Begins a repeatable step's transaction: the fence, then whether the ledger still holds what it was planned over. `planned_over` is the
-- fingerprint of the text that ran last, and null where there is none.
CREATE FUNCTION roost.begin_repeatable(
    run_number bigint, lock_key bigint, step_by_step boolean, plugin_name text, planned_on text, step_id text, planned_over text
) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM roost.fence(run_number, lock_key, step_by_step);
    PERFORM roost.check_plan(plugin_name, planned_on, '{}');
    IF (SELECT fingerprint FROM roost.repeatable WHERE plugin = plugin_name AND step = step_id) IS DISTINCT FROM planned_over THEN
        RAISE EXCEPTION 'step % of plugin % has been run since this was planned', step_id, plugin_name USING ERRCODE = 'RST04';
    END IF;
    RAISE INFO 'roost: step begins' USING DETAIL = step_id;
END $$;

-- Ends a repeatable step's transaction. The steps that come after it are as good as never run: if this run does not come to them, the next
-- one will. Whatever was settled is so no more.
CREATE FUNCTION roost.finish_repeatable(
    run_number bigint, lock_key bigint, step_by_step boolean, plugin_name text, step_id text, step_fingerprint text, followers text[]
) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO roost.repeatable (plugin, step, fingerprint, run) VALUES (plugin_name, step_id, step_fingerprint, run_number)
    ON CONFLICT (plugin, step) DO UPDATE
    SET fingerprint = excluded.fingerprint, run = excluded.run, applied_at = excluded.applied_at;
    DELETE FROM roost.repeatable WHERE plugin = plugin_name AND step = ANY (followers);
    UPDATE roost.plugin SET settled = NULL WHERE name = plugin_name;
    PERFORM roost.clean_session(lock_key, step_by_step);
END $$;

-- Lets all repeatable steps of a plugin run anew: a way back may have taken away, with what they stand on, also them.
CREATE FUNCTION roost.forget_repeatable(plugin_name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM roost.repeatable WHERE plugin = plugin_name;
END $$;

-- Refuses to go on where an object of a declared schema is not there as it is declared. Both lists hold kind, schema, parent, name and
-- definition of each object.
CREATE FUNCTION roost.check_objects(plugin_name text, declared jsonb, present jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    missing jsonb;
BEGIN
    SELECT jsonb_agg(one) INTO missing FROM (
        SELECT one FROM jsonb_array_elements(declared) AS one EXCEPT SELECT one FROM jsonb_array_elements(present) AS one
    ) AS difference;
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'the schema of plugin % would still differ', plugin_name USING ERRCODE = 'RST07', DETAIL = missing::text;
    END IF;
END $$;

-- Keeps what a plugin's declared schema consists of now, unless the last snapshot says the same.
CREATE FUNCTION roost.keep_snapshot(run_number bigint, plugin_name text, declared_as text, objects_now jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last_one roost.snapshot;
BEGIN
    SELECT * INTO last_one FROM roost.snapshot WHERE plugin = plugin_name ORDER BY number DESC LIMIT 1;
    IF last_one.objects IS DISTINCT FROM objects_now THEN
        INSERT INTO roost.snapshot (plugin, number, fingerprint, objects, run)
        VALUES (plugin_name, coalesce(last_one.number, 0) + 1, declared_as, objects_now, run_number);
    END IF;
END $$;

-- Begins to undo a step outside a transaction, or takes that up again: `ended` statements of its way back have ended. From here on nobody
-- may take the plugin for settled.
CREATE FUNCTION roost.begin_undoing(
    run_number bigint, lock_key bigint, plugin_name text, step_id text, way_back text, ended integer
) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM roost.fence(run_number, lock_key, false);
    UPDATE roost.applied SET state = 'undoing', down_sql = way_back, statements_done = ended, xid = pg_current_xact_id()
    WHERE plugin = plugin_name AND step = step_id AND state IN ('done', 'undoing');
    IF NOT FOUND THEN
        RAISE EXCEPTION 'step % of plugin % is not applied', step_id, plugin_name USING ERRCODE = 'RST04';
    END IF;
    UPDATE roost.plugin SET settled = NULL WHERE name = plugin_name;
    RAISE INFO 'roost: step begins' USING DETAIL = step_id;
END $$;

-- Ends what undid a step outside a transaction: the step is no longer applied.
CREATE FUNCTION roost.finish_undoing(
    run_number bigint, lock_key bigint, plugin_name text, step_id text, plugin_version text, plugin_chain text
) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM roost.fence(run_number, lock_key, false);
    DELETE FROM roost.applied WHERE plugin = plugin_name AND step = step_id AND state = 'undoing';
    PERFORM roost.forget_repeatable(plugin_name);
    PERFORM roost.clean_session(lock_key, false);
    PERFORM roost.move_head(plugin_name, plugin_version, plugin_chain);
END $$;

-- Takes away what a step left in the session and no RESET reaches: advisory locks, temporary tables, subscriptions, statements and cursors
-- of its own. The run's own lock goes with the others and is taken again: the fence's lock on the same key keeps everybody out meanwhile.
CREATE FUNCTION roost.clean_session(lock_key bigint, step_by_step boolean) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    end_it text;
BEGIN
    PERFORM pg_advisory_unlock_all();
    IF NOT step_by_step THEN
        PERFORM pg_advisory_lock(lock_key);
    END IF;
    IF pg_my_temp_schema() <> 0 THEN
        DISCARD TEMP;
    END IF;
    -- A LISTEN of this very transaction is not among the listening channels yet, so there is nothing to ask first.
    UNLISTEN *;
    FOR end_it IN
        -- Not the driver's own statements, which it prepared by the protocol.
        SELECT format('DEALLOCATE %I', name) FROM pg_prepared_statement() WHERE from_sql
        UNION ALL
        SELECT format('CLOSE %I', name) FROM pg_cursor() WHERE is_holdable
    LOOP
        EXECUTE end_it;
    END LOOP;
END $$;

-- Sets where a plugin stands; whatever was settled is so no more.
CREATE FUNCTION roost.move_head(plugin_name text, plugin_version text, plugin_chain text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
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

-- Notes that a plugin's declaration was found satisfied, unless the plugin has moved on since: its chain, or the text that ran last of a
-- repeatable step.
CREATE FUNCTION roost.settle(
    plugin_name text, declaration text, found_at text, repeatable_steps text[], repeatable_fingerprints text[]
) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT FROM unnest(repeatable_steps, repeatable_fingerprints) AS found (step, fingerprint)
        WHERE NOT EXISTS (
            SELECT FROM roost.repeatable AS row
            WHERE row.plugin = plugin_name AND row.step = found.step AND row.fingerprint = found.fingerprint
        )
    ) THEN
        RETURN;
    END IF;
    UPDATE roost.plugin SET settled = declaration WHERE name = plugin_name AND chain IS NOT DISTINCT FROM found_at;
    IF NOT FOUND AND found_at IS NULL THEN
        INSERT INTO roost.plugin (name, settled) VALUES (plugin_name, declaration) ON CONFLICT DO NOTHING;
    END IF;
END $$;
