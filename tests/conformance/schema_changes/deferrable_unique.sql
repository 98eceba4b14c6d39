-- A unique constraint may be checked at the end of a transaction.
-- expect: equal
-- before
CREATE TABLE places (id int PRIMARY KEY, place int UNIQUE);
-- data
INSERT INTO places VALUES (1, 1), (2, 2);
-- keeps
SELECT * FROM places ORDER BY id
-- after
CREATE TABLE places (id int PRIMARY KEY, place int UNIQUE DEFERRABLE INITIALLY DEFERRED);
