-- A new value of an enum is a default, a check's and an index's in the same change.
-- expect: equal
-- before
CREATE TYPE state AS ENUM ('new', 'done');
CREATE TABLE jobs (id int PRIMARY KEY, state state NOT NULL DEFAULT 'new');
-- data
INSERT INTO jobs VALUES (1, 'new'), (2, 'done');
-- keeps
SELECT id, state::text FROM jobs ORDER BY id
-- after
CREATE TYPE state AS ENUM ('new', 'done', 'draft');
CREATE TABLE jobs (id int PRIMARY KEY, state state NOT NULL DEFAULT 'draft', CHECK (state <> 'draft' OR id > 0));
CREATE INDEX drafts ON jobs (id) WHERE state = 'draft';
