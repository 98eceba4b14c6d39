-- Triggers come, go and change.
-- expect: equal
-- before
CREATE TABLE notes (id int PRIMARY KEY, body text, at timestamptz);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.at := now(); RETURN NEW; END';
CREATE TRIGGER touch BEFORE UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TRIGGER gone BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION touch();
-- data
INSERT INTO notes (id, body) VALUES (1, 'a');
-- keeps
SELECT id, body FROM notes
-- after
CREATE TABLE notes (id int PRIMARY KEY, body text, at timestamptz);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.at := now(); RETURN NEW; END';
CREATE TRIGGER touch BEFORE INSERT OR UPDATE OF body ON notes FOR EACH ROW WHEN (NEW.body <> '') EXECUTE FUNCTION touch();
CREATE CONSTRAINT TRIGGER late AFTER DELETE ON notes DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION touch();
