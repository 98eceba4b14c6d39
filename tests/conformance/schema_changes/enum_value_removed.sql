-- An enum loses a value that no row has, where that is allowed by the type's name.
-- expect: equal
-- allow: state
-- allow: jobs.state
-- before
CREATE TYPE state AS ENUM ('new', 'odd', 'done');
CREATE TABLE jobs (id int PRIMARY KEY, state state DEFAULT 'new');
-- data
INSERT INTO jobs VALUES (1, 'new'), (2, 'done');
-- keeps
SELECT id, state::text FROM jobs ORDER BY id
-- after
CREATE TYPE state AS ENUM ('new', 'done');
CREATE TABLE jobs (id int PRIMARY KEY, state state DEFAULT 'new');
