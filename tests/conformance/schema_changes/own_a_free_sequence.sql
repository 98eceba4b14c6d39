-- A sequence that was there by itself comes to belong to the column that counts by it: it counts on.
-- expect: equal
-- before
CREATE SEQUENCE numbers START 100;
CREATE TABLE tickets (id bigint PRIMARY KEY DEFAULT nextval('numbers'), body text);
-- data
INSERT INTO tickets (body) VALUES ('a'), ('b');
-- keeps
SELECT id, body, (SELECT last_value FROM numbers) FROM tickets ORDER BY id;
-- after
CREATE SEQUENCE numbers START 100;
CREATE TABLE tickets (id bigint PRIMARY KEY DEFAULT nextval('numbers'), body text);
ALTER SEQUENCE numbers OWNED BY tickets.id;
