-- Indexes go; that loses nothing.
-- expect: equal
-- before
CREATE TABLE notes (id int PRIMARY KEY, kind text);
CREATE INDEX by_kind ON notes (kind);
CREATE UNIQUE INDEX by_both ON notes (kind, id);
-- data
INSERT INTO notes VALUES (1, 'a');
-- keeps
SELECT * FROM notes
-- after
CREATE TABLE notes (id int PRIMARY KEY, kind text);
