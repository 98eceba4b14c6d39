-- A table gets a column, and the view of it shows it.
-- expect: equal
-- before
CREATE TABLE users (id int PRIMARY KEY);
CREATE VIEW shown AS SELECT id FROM users;
-- data
INSERT INTO users VALUES (1);
-- keeps
SELECT id FROM shown
-- after
CREATE TABLE users (id int PRIMARY KEY, name text DEFAULT 'x');
CREATE VIEW shown AS SELECT id, name FROM users;
