-- Columns are stored in another way, and looked at more closely.
-- expect: equal
-- before
CREATE TABLE files (id int PRIMARY KEY, body bytea, name text);
-- data
INSERT INTO files VALUES (1, '\x00ff', 'n');
-- keeps
SELECT * FROM files
-- after
CREATE TABLE files (id int PRIMARY KEY, body bytea, name text) WITH (fillfactor = 80);
ALTER TABLE files ALTER body SET STORAGE EXTERNAL, ALTER name SET STATISTICS 500;
