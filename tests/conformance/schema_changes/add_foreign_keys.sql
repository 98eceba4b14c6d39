-- Two tables begin to reference each other, and one itself.
-- expect: equal
-- before
CREATE TABLE teams (id int PRIMARY KEY, lead int);
CREATE TABLE people (id int PRIMARY KEY, team int, boss int);
-- data
INSERT INTO teams VALUES (1, 10); INSERT INTO people VALUES (10, 1, NULL), (11, 1, 10);
-- keeps
SELECT people.id, team, boss, lead FROM people JOIN teams ON team = teams.id ORDER BY 1
-- after
CREATE TABLE teams (id int PRIMARY KEY, lead int REFERENCES people);
CREATE TABLE people (id int PRIMARY KEY, team int NOT NULL REFERENCES teams, boss int REFERENCES people ON DELETE SET NULL);
