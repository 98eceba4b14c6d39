-- Text that holds numbers becomes a number where that is allowed.
-- expect: equal
-- allow: users.age
-- before
CREATE TABLE users (id int PRIMARY KEY, age text DEFAULT '18');
-- data
INSERT INTO users VALUES (1, '30'), (2, NULL), (3, DEFAULT);
-- keeps
SELECT id, age::text FROM users ORDER BY id
-- after
CREATE TABLE users (id int PRIMARY KEY, age int DEFAULT 18);
