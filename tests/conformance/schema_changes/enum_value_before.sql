-- An enum gets values before and between those that it has.
-- expect: equal
-- before
CREATE TYPE state AS ENUM ('new', 'done');
CREATE TABLE jobs (id int PRIMARY KEY, state state NOT NULL);
-- data
INSERT INTO jobs VALUES (1, 'new'), (2, 'done');
-- keeps
SELECT id, state::text FROM jobs ORDER BY state
-- after
CREATE TYPE state AS ENUM ('draft', 'new', 'running', 'done');
CREATE TABLE jobs (id int PRIMARY KEY, state state NOT NULL);
