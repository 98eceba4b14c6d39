-- Another column becomes the primary key, and the foreign key stays where it points.
-- expect: equal
-- before
CREATE TABLE people (id int PRIMARY KEY, code text NOT NULL);
CREATE TABLE posts (id int PRIMARY KEY, person int NOT NULL REFERENCES people (id) ON DELETE CASCADE);
COMMENT ON CONSTRAINT posts_person_fkey ON posts IS 'whose';
-- data
INSERT INTO people VALUES (1, 'a'), (2, 'b');
INSERT INTO posts VALUES (1, 1), (2, 2);
-- keeps
SELECT id, person FROM posts ORDER BY id;
-- after
CREATE TABLE people (id int UNIQUE NOT NULL, code text PRIMARY KEY);
CREATE TABLE posts (id int PRIMARY KEY, person int NOT NULL REFERENCES people (id) ON DELETE CASCADE);
COMMENT ON CONSTRAINT posts_person_fkey ON posts IS 'whose';
