-- Statistics over several columns come, and a table shows whole rows to replicas.
-- expect: refused InvalidSchema
-- before
CREATE TABLE places (city text NOT NULL, zip text NOT NULL);
-- data
INSERT INTO places VALUES ('a', '1');
-- keeps
SELECT * FROM places
-- after
CREATE TABLE places (city text NOT NULL, zip text NOT NULL);
CREATE STATISTICS city_and_zip (dependencies, ndistinct) ON city, zip FROM places;
ALTER TABLE places REPLICA IDENTITY FULL;
