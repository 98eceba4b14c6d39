-- A unique constraint goes; that loses nothing.
-- expect: equal
-- before
CREATE TABLE users (id int PRIMARY KEY, name text UNIQUE);
-- data
INSERT INTO users VALUES (1, 'a'), (2, 'b');
-- keeps
SELECT * FROM users ORDER BY id
-- after
CREATE TABLE users (id int PRIMARY KEY, name text);
