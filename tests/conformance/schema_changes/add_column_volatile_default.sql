-- A default that differs from row to row is computed for each that is there.
-- expect: equal
-- before
CREATE TABLE jobs (id int PRIMARY KEY);
-- data
INSERT INTO jobs VALUES (1), (2), (3);
-- keeps
SELECT count(*) FROM jobs
-- after
CREATE TABLE jobs (id int PRIMARY KEY, token uuid NOT NULL DEFAULT gen_random_uuid(), at timestamptz NOT NULL DEFAULT clock_timestamp());
