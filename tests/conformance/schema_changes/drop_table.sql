-- A table goes where that is allowed by its name, with what references it.
-- expect: equal
-- allow: posts
-- before
CREATE TABLE users (id int PRIMARY KEY);
CREATE TABLE posts (id serial PRIMARY KEY, author int REFERENCES users);
-- data
INSERT INTO users VALUES (1); INSERT INTO posts (author) VALUES (1);
-- keeps
SELECT * FROM users
-- after
CREATE TABLE users (id int PRIMARY KEY);
