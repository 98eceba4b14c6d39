-- A partitioned table gets a column and a key, and its partitions with it.
-- expect: equal
-- before
CREATE TABLE events (id int NOT NULL, at date NOT NULL) PARTITION BY LIST (at);
CREATE TABLE events_may PARTITION OF events FOR VALUES IN ('2024-05-01');
-- data
INSERT INTO events VALUES (1, '2024-05-01');
-- keeps
SELECT id, at FROM events
-- after
CREATE TABLE events (id int NOT NULL, at date NOT NULL, body text NOT NULL DEFAULT '', PRIMARY KEY (id, at)) PARTITION BY LIST (at);
CREATE TABLE events_may PARTITION OF events FOR VALUES IN ('2024-05-01');
