-- A generated column is computed in another way.
-- expect: equal
-- before
CREATE TABLE parts (width int NOT NULL, height int NOT NULL, size int GENERATED ALWAYS AS (width * height) STORED);
-- data
INSERT INTO parts VALUES (2, 3), (4, 5);
-- keeps
SELECT width, height FROM parts ORDER BY width
-- after
CREATE TABLE parts (width int NOT NULL, height int NOT NULL, size int GENERATED ALWAYS AS (width + height) STORED);
