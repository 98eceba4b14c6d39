-- A sequence counts in other steps, one comes, and one goes.
-- expect: equal
-- allow: old_numbers
-- before
CREATE SEQUENCE numbers;
CREATE SEQUENCE old_numbers;
-- data
SELECT nextval('numbers'), nextval('numbers');
-- keeps
SELECT last_value FROM numbers
-- after
CREATE SEQUENCE numbers INCREMENT BY 5 MAXVALUE 100000 CYCLE;
CREATE SEQUENCE new_numbers AS int START 1000;
