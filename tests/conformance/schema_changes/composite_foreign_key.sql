-- A key of two columns references what becomes unique in the same change.
-- expect: equal
-- before
CREATE TABLE agents (id int PRIMARY KEY, world int NOT NULL);
CREATE TABLE rooms (id int PRIMARY KEY, world int, agent int);
-- data
INSERT INTO agents VALUES (1, 5); INSERT INTO rooms VALUES (1, 5, 1), (2, NULL, NULL);
-- keeps
SELECT * FROM rooms ORDER BY id
-- after
CREATE TABLE agents (id int PRIMARY KEY, world int NOT NULL, UNIQUE (world, id));
CREATE TABLE rooms (id int PRIMARY KEY, world int, agent int, FOREIGN KEY (world, agent) REFERENCES agents (world, id) MATCH FULL);
