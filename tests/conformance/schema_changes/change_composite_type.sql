-- A composite type gets one more attribute, and a table begins to use it.
-- expect: equal
-- before
CREATE TYPE spot AS (x int, y int);
CREATE TABLE things (id int PRIMARY KEY);
-- data
INSERT INTO things VALUES (1);
-- keeps
SELECT id FROM things
-- after
CREATE TYPE spot AS (x int, y int, z int);
CREATE TABLE things (id int PRIMARY KEY, at spot);
