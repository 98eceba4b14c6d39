-- A function comes that a default, a check and an index use.
-- expect: equal
-- before
CREATE TABLE codes (id int PRIMARY KEY, code text);
-- data
INSERT INTO codes VALUES (1, 'A');
-- keeps
SELECT * FROM codes
-- after
CREATE FUNCTION tidy(x text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper(x)';
CREATE TABLE codes (id int PRIMARY KEY, code text DEFAULT tidy('x'), CONSTRAINT tidy_code CHECK (code = tidy(code)));
CREATE UNIQUE INDEX tidy_codes ON codes (tidy(code));
