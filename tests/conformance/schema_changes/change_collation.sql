-- A column is sorted by another collation.
-- expect: equal
-- before
CREATE TABLE words (word text PRIMARY KEY);
-- data
INSERT INTO words VALUES ('b'), ('a');
-- keeps
SELECT word FROM words ORDER BY word
-- after
CREATE TABLE words (word text COLLATE "C" PRIMARY KEY);
