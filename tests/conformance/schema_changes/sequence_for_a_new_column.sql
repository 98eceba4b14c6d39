-- A new column counts by a sequence that is there already: it goes on where that was.
-- expect: equal
-- before
CREATE SEQUENCE numbers;
-- data
SELECT nextval('numbers');
-- keeps
SELECT last_value FROM numbers;
-- after
CREATE SEQUENCE numbers;
CREATE TABLE tickets (id bigint PRIMARY KEY DEFAULT nextval('numbers'), body text);
ALTER SEQUENCE numbers OWNED BY tickets.id;
