-- A NOT NULL column with a constant default fills the rows that are there.
-- expect: equal
-- before
CREATE TABLE jobs (id int PRIMARY KEY);
-- data
INSERT INTO jobs VALUES (1), (2), (3);
-- keeps
SELECT id FROM jobs ORDER BY id
-- after
CREATE TABLE jobs (id int PRIMARY KEY, state text NOT NULL DEFAULT 'new', tries smallint NOT NULL DEFAULT 0);
