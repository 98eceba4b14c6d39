-- Columns become unique together.
-- expect: equal
-- before
CREATE TABLE seats (id int PRIMARY KEY, room int, seat int);
-- data
INSERT INTO seats VALUES (1, 1, 1), (2, 1, 2);
-- keeps
SELECT * FROM seats ORDER BY id
-- after
CREATE TABLE seats (id int PRIMARY KEY, room int, seat int, UNIQUE (room, seat));
