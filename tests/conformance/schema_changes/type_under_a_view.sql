-- A column's type changes under a view, and under a view of that.
-- expect: equal
-- before
CREATE TABLE users (id int PRIMARY KEY, name varchar(20));
CREATE VIEW named AS SELECT id, name FROM users WHERE name IS NOT NULL;
CREATE VIEW loud AS SELECT id, upper(name) AS name, name AS said FROM named;
-- data
INSERT INTO users VALUES (1, 'Ada');
-- keeps
SELECT id, name, said FROM loud
-- after
CREATE TABLE users (id int PRIMARY KEY, name text);
CREATE VIEW named AS SELECT id, name FROM users WHERE name IS NOT NULL;
CREATE VIEW loud AS SELECT id, upper(name) AS name, name AS said FROM named;
