-- A nullable column joins the rows that are there.
-- expect: equal
-- before
CREATE TABLE notes (id int PRIMARY KEY, body text NOT NULL);
-- data
INSERT INTO notes VALUES (1, 'one'), (2, 'two');
-- keeps
SELECT id, body FROM notes ORDER BY id
-- after
CREATE TABLE notes (id int PRIMARY KEY, body text NOT NULL, tags text[]);
