-- A partition becomes a table by itself, with its rows.
-- expect: equal
-- before
CREATE TABLE events (id bigint NOT NULL, at date NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
-- data
INSERT INTO events VALUES (1, '2024-05-05');
-- keeps
SELECT id, at FROM events_2024;
-- after
CREATE TABLE events (id bigint NOT NULL, at date NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE events_2024 (id bigint NOT NULL, at date NOT NULL);
