-- A primary key gets another column and another name.
-- expect: equal
-- before
CREATE TABLE seats (room int NOT NULL, seat int PRIMARY KEY);
-- data
INSERT INTO seats VALUES (1, 1), (1, 2);
-- keeps
SELECT * FROM seats ORDER BY seat
-- after
CREATE TABLE seats (room int NOT NULL, seat int NOT NULL, CONSTRAINT seats_key PRIMARY KEY (room, seat));
