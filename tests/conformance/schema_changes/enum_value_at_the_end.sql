-- An enum gets one more value.
-- expect: equal
-- before
CREATE TYPE state AS ENUM ('new', 'done');
CREATE TABLE jobs (id int PRIMARY KEY, state state NOT NULL DEFAULT 'new');
-- data
INSERT INTO jobs VALUES (1, 'new'), (2, 'done');
-- keeps
SELECT id, state::text FROM jobs ORDER BY id
-- after
CREATE TYPE state AS ENUM ('new', 'done', 'failed');
CREATE TABLE jobs (id int PRIMARY KEY, state state NOT NULL DEFAULT 'new');
