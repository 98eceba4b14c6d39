-- Two tables that reference each other go where that is allowed by their names.
-- expect: equal
-- allow: teams
-- allow: people
-- before
CREATE TABLE kept (id int PRIMARY KEY);
CREATE TABLE teams (id int PRIMARY KEY, lead int REFERENCES people);
CREATE TABLE people (id int PRIMARY KEY, team int REFERENCES teams);
-- data
INSERT INTO kept VALUES (1); INSERT INTO teams VALUES (1); INSERT INTO people VALUES (2, 1);
-- keeps
SELECT * FROM kept
-- after
CREATE TABLE kept (id int PRIMARY KEY);
