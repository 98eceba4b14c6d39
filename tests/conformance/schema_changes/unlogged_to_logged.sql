-- A table that was not logged becomes logged, and another the reverse.
-- expect: equal
-- before
CREATE UNLOGGED TABLE sessions (id int PRIMARY KEY, at timestamptz);
CREATE TABLE cache (id int PRIMARY KEY);
-- data
INSERT INTO sessions VALUES (1); INSERT INTO cache VALUES (2);
-- keeps
SELECT sessions.id, cache.id FROM sessions, cache
-- after
CREATE TABLE sessions (id int PRIMARY KEY, at timestamptz);
CREATE UNLOGGED TABLE cache (id int PRIMARY KEY);
