-- Comments come, go and change, on everything that can have one.
-- expect: equal
-- before
CREATE TYPE state AS ENUM ('new');
CREATE TABLE notes (id int PRIMARY KEY, body text, CONSTRAINT short CHECK (length(body) < 100));
CREATE INDEX by_body ON notes (body);
CREATE VIEW shown AS SELECT id FROM notes;
CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1';
COMMENT ON TABLE notes IS 'old';
COMMENT ON COLUMN notes.body IS 'goes';
COMMENT ON FUNCTION one() IS 'uno';
-- data
INSERT INTO notes VALUES (1, 'a');
-- keeps
SELECT * FROM notes
-- after
CREATE TYPE state AS ENUM ('new');
CREATE TABLE notes (id int PRIMARY KEY, body text, CONSTRAINT short CHECK (length(body) < 100));
CREATE INDEX by_body ON notes (body);
CREATE VIEW shown AS SELECT id FROM notes;
CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1';
COMMENT ON TABLE notes IS 'it''s new; with a -- dash';
COMMENT ON COLUMN notes.id IS 'comes';
COMMENT ON CONSTRAINT short ON notes IS 'not too long';
COMMENT ON INDEX by_body IS 'for searching';
COMMENT ON VIEW shown IS 'what is shown';
COMMENT ON FUNCTION one() IS 'eins';
COMMENT ON TYPE state IS 'where it stands';
