-- Indexes take each other's names.
-- expect: equal
-- before
CREATE TABLE notes (id int PRIMARY KEY, a text, b text, c text);
CREATE UNIQUE INDEX one ON notes (a);
CREATE INDEX two ON notes (b);
CREATE INDEX three ON notes (c);
COMMENT ON INDEX one IS 'of a';
-- after
CREATE TABLE notes (id int PRIMARY KEY, a text, b text, c text);
CREATE UNIQUE INDEX two ON notes (a);
CREATE INDEX three ON notes (b);
CREATE INDEX one ON notes (c);
COMMENT ON INDEX two IS 'of a';
