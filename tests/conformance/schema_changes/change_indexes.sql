-- Indexes change under their names: other columns, another order, another class of operators, another part of the rows, no constraint.
-- expect: equal
-- since: 15
-- before
CREATE TABLE notes (id int PRIMARY KEY, kind text, body text, word text UNIQUE);
CREATE INDEX one ON notes (kind);
CREATE INDEX two ON notes (kind, id);
CREATE INDEX three ON notes (body);
CREATE INDEX four ON notes (kind) WHERE body = 'a';
CREATE UNIQUE INDEX five ON notes (kind, body);
CREATE INDEX same ON notes (kind, body, id);
-- data
INSERT INTO notes VALUES (1, 'a', 'b');
-- keeps
SELECT notes.*, 'same'::regclass::oid FROM notes
-- after
CREATE TABLE notes (id int PRIMARY KEY, kind text, body text, word text);
CREATE UNIQUE INDEX notes_word_key ON notes (word);
CREATE INDEX one ON notes (body);
CREATE INDEX two ON notes (kind DESC NULLS LAST, id);
CREATE INDEX three ON notes (body text_pattern_ops) WITH (fillfactor = 70);
CREATE INDEX four ON notes (kind) WHERE body = 'b';
CREATE UNIQUE INDEX five ON notes (kind, body) NULLS NOT DISTINCT;
CREATE INDEX same ON notes (kind, body, id);
