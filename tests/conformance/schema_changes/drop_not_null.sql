-- A column becomes nullable.
-- expect: equal
-- before
CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL);
-- data
INSERT INTO users VALUES (1, 'a'), (2, 'b');
-- keeps
SELECT * FROM users ORDER BY id
-- after
CREATE TABLE users (id int PRIMARY KEY, email text);
