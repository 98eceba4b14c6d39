-- Views get a column at the end, lose one in the middle, come and go.
-- expect: equal
-- before
CREATE TABLE users (id int PRIMARY KEY, name text, age int);
CREATE VIEW longer AS SELECT id FROM users;
CREATE VIEW shorter AS SELECT id, age, name FROM users;
CREATE VIEW gone AS SELECT name FROM shorter;
-- data
INSERT INTO users VALUES (1, 'a', 3);
-- keeps
SELECT users.*, (SELECT id FROM longer) FROM users
-- after
CREATE TABLE users (id int PRIMARY KEY, name text, age int);
CREATE VIEW longer AS SELECT id, name FROM users;
CREATE VIEW shorter WITH (security_barrier = true) AS SELECT id, name FROM users;
CREATE VIEW come AS SELECT count(*) AS n FROM longer;
