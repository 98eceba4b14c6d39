-- A table gets a primary key.
-- expect: equal
-- before
CREATE TABLE users (id int, name text);
-- data
INSERT INTO users VALUES (1, 'a'), (2, 'b');
-- keeps
SELECT * FROM users ORDER BY id
-- after
CREATE TABLE users (id int PRIMARY KEY, name text);
