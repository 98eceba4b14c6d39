-- A unique constraint that foreign keys point at becomes the primary key; each row is checked again.
-- expect: equal
-- before
CREATE TABLE people (id int NOT NULL UNIQUE, code text);
CREATE TABLE posts (id int PRIMARY KEY, person int REFERENCES people (id) DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE likes (id int PRIMARY KEY, person int REFERENCES people (id));
-- data
INSERT INTO people VALUES (1, 'a'), (2, 'b');
INSERT INTO posts VALUES (1, 1), (2, 2);
-- keeps
SELECT id, person FROM posts ORDER BY id;
-- after
CREATE TABLE people (id int PRIMARY KEY, code text);
CREATE TABLE posts (id int PRIMARY KEY, person int REFERENCES people (id) DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE likes (id int PRIMARY KEY, person int REFERENCES people (id));
