-- A column goes where that is allowed by its name.
-- expect: equal
-- allow: users.nick
-- before
CREATE TABLE users (id int PRIMARY KEY, name text, nick text);
-- data
INSERT INTO users VALUES (1, 'Ada', 'a'), (2, 'Bob', 'b');
-- keeps
SELECT id, name FROM users ORDER BY id
-- after
CREATE TABLE users (id int PRIMARY KEY, name text);
