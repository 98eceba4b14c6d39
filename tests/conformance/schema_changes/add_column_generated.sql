-- A stored generated column is computed for the rows that are there.
-- expect: equal
-- before
CREATE TABLE parts (width int NOT NULL, height int NOT NULL);
-- data
INSERT INTO parts VALUES (2, 3), (4, 5);
-- keeps
SELECT width, height FROM parts ORDER BY width
-- after
CREATE TABLE parts (width int NOT NULL, height int NOT NULL, area int GENERATED ALWAYS AS (width * height) STORED);
