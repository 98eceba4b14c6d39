-- Defaults come, go and change, and the rows that are there stay as they are.
-- expect: equal
-- before
CREATE TABLE flags (id int PRIMARY KEY, a bool DEFAULT false, b int DEFAULT 30, c text, d text DEFAULT 'x');
-- data
INSERT INTO flags (id) VALUES (1), (2);
-- keeps
SELECT * FROM flags ORDER BY id
-- after
CREATE TABLE flags (id int PRIMARY KEY, a bool DEFAULT true, b int, c text DEFAULT 'it''s', d text DEFAULT upper('x'));
