-- A text column takes the type of a new enum, where that is allowed.
-- expect: equal
-- allow: jobs.state
-- before
CREATE TABLE jobs (id int PRIMARY KEY, state text NOT NULL DEFAULT 'new');
-- data
INSERT INTO jobs VALUES (1, 'new'), (2, 'done');
-- keeps
SELECT id, state::text FROM jobs ORDER BY id
-- after
CREATE TYPE state AS ENUM ('new', 'done');
CREATE TABLE jobs (id int PRIMARY KEY, state state NOT NULL DEFAULT 'new');
