-- A domain gets a check, a default, and takes no NULL.
-- expect: equal
-- before
CREATE DOMAIN email AS text;
CREATE TABLE users (id int PRIMARY KEY, email email);
-- data
INSERT INTO users VALUES (1, 'a@x');
-- keeps
SELECT * FROM users
-- after
CREATE DOMAIN email AS text NOT NULL DEFAULT 'nobody@x' CONSTRAINT has_at CHECK (VALUE LIKE '%@%');
CREATE TABLE users (id int PRIMARY KEY, email email);
