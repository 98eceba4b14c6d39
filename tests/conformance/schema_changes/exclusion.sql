-- Ranges may no longer overlap.
-- expect: equal
-- before
CREATE TABLE stays (id int PRIMARY KEY, during daterange);
-- data
INSERT INTO stays VALUES (1, '[2024-01-01,2024-01-02)'), (2, '[2024-01-02,2024-01-03)');
-- keeps
SELECT * FROM stays ORDER BY id
-- after
CREATE TABLE stays (id int PRIMARY KEY, during daterange, CONSTRAINT one_at_a_time EXCLUDE USING gist (during WITH &&));
