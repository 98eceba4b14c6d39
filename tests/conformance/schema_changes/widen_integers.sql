-- Integers widen, with a foreign key and an index on them.
-- expect: equal
-- before
CREATE TABLE users (id int PRIMARY KEY, age smallint);
CREATE TABLE posts (id int PRIMARY KEY, user_id int REFERENCES users);
CREATE INDEX posts_by_user ON posts (user_id);
-- data
INSERT INTO users VALUES (1, 30); INSERT INTO posts VALUES (7, 1);
-- keeps
SELECT users.id, age, posts.id FROM users JOIN posts ON user_id = users.id
-- after
CREATE TABLE users (id bigint PRIMARY KEY, age int);
CREATE TABLE posts (id int PRIMARY KEY, user_id bigint REFERENCES users);
CREATE INDEX posts_by_user ON posts (user_id);
