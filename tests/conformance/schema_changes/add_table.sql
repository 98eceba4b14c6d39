-- A table joins, with an enum, a serial number, a reference and an index.
-- expect: equal
-- before
CREATE TABLE users (id int PRIMARY KEY);
-- data
INSERT INTO users VALUES (1);
-- keeps
SELECT * FROM users
-- after
CREATE TABLE users (id int PRIMARY KEY);
CREATE TYPE mood AS ENUM ('ok', 'sad');
CREATE TABLE posts (id serial PRIMARY KEY, author int NOT NULL REFERENCES users ON DELETE CASCADE, mood mood DEFAULT 'ok');
CREATE INDEX posts_by_author ON posts (author);
