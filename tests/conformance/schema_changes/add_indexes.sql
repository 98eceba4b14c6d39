-- Indexes come: on two columns, on an expression, on part of the rows, with columns that are only carried along.
-- expect: equal
-- before
CREATE TABLE notes (id int PRIMARY KEY, kind text, body text, meta jsonb);
-- data
INSERT INTO notes VALUES (1, 'a', 'b', '{"k": 1}');
-- keeps
SELECT * FROM notes
-- after
CREATE TABLE notes (id int PRIMARY KEY, kind text, body text, meta jsonb);
CREATE INDEX by_kind ON notes (kind, id);
CREATE INDEX by_key ON notes ((meta->>'k'), lower(body));
CREATE UNIQUE INDEX one_open ON notes (kind) WHERE body IS NULL;
CREATE INDEX covering ON notes (kind) INCLUDE (body);
CREATE INDEX by_meta ON notes USING gin (meta jsonb_path_ops);
