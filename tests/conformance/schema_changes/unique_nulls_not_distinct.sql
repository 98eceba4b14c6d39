-- A unique constraint counts NULL as a value.
-- expect: equal
-- since: 15
-- before
CREATE TABLE seats (id int PRIMARY KEY, room int, UNIQUE (room));
-- data
INSERT INTO seats VALUES (1, 1), (2, NULL);
-- keeps
SELECT * FROM seats ORDER BY id
-- after
CREATE TABLE seats (id int PRIMARY KEY, room int, UNIQUE NULLS NOT DISTINCT (room));
