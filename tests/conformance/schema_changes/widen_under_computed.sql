-- Columns hold more that another is computed from: that one is computed anew.
-- expect: equal
-- before
CREATE TABLE sums (id int PRIMARY KEY, a int NOT NULL, b int NOT NULL, total int GENERATED ALWAYS AS (a * 2 + b) STORED NOT NULL);
COMMENT ON COLUMN sums.total IS 'of both';
-- data
INSERT INTO sums VALUES (1, 5, 6);
-- keeps
SELECT id, a, b, total FROM sums;
-- after
CREATE TABLE sums (id int PRIMARY KEY, a bigint NOT NULL, b bigint NOT NULL, total bigint GENERATED ALWAYS AS (a * 2 + b) STORED NOT NULL);
COMMENT ON COLUMN sums.total IS 'of both';
