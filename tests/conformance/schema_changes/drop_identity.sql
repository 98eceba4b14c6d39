-- A column is numbered no longer.
-- expect: equal
-- before
CREATE TABLE lines (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text);
-- data
INSERT INTO lines (body) VALUES ('a'), ('b');
-- keeps
SELECT * FROM lines ORDER BY id
-- after
CREATE TABLE lines (id int PRIMARY KEY, body text);
