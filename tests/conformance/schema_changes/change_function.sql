-- Functions change their body, their result and their arguments.
-- expect: equal
-- before
CREATE FUNCTION body(x int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT x + 1';
CREATE FUNCTION result() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION arguments(x int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN x; END';
-- after
CREATE FUNCTION body(x int) RETURNS int LANGUAGE sql IMMUTABLE STRICT AS 'SELECT x + 2';
CREATE FUNCTION result() RETURNS text LANGUAGE sql AS $$SELECT 'one'::text$$;
CREATE FUNCTION arguments(x int, y int DEFAULT 0) RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN x + y; END';
CREATE PROCEDURE nothing() LANGUAGE plpgsql AS 'BEGIN END';
