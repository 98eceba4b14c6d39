-- A column that is declared between others joins them at the end, as PostgreSQL knows no other place.
-- expect: equal
-- before
CREATE TABLE notes (id int PRIMARY KEY, body text NOT NULL);
-- data
INSERT INTO notes VALUES (1, 'one'), (2, 'two');
-- keeps
SELECT id, body FROM notes ORDER BY id
-- after
CREATE TABLE notes (id int PRIMARY KEY, title text, body text NOT NULL);
