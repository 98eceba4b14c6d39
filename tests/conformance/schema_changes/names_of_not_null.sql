-- NOT NULL constraints have names of their own from PostgreSQL 18 on: given, changed, and set with a name.
-- expect: equal
-- before
CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL, name text CONSTRAINT has_name NOT NULL, phone text);
CREATE TABLE logs (at date NOT NULL, what text) PARTITION BY RANGE (at);
CREATE TABLE logs_old PARTITION OF logs FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
-- data
INSERT INTO users VALUES (1, 'a', 'A', '1'), (2, 'b', 'B', '2')
-- keeps
SELECT id, email, name, phone FROM users ORDER BY id
-- after
CREATE TABLE users (
    id int PRIMARY KEY, email text CONSTRAINT has_email NOT NULL, name text CONSTRAINT is_named NOT NULL,
    phone text CONSTRAINT has_phone NOT NULL, city text CONSTRAINT has_city NOT NULL DEFAULT ''
);
CREATE TABLE logs (at date CONSTRAINT dated NOT NULL, what text CONSTRAINT says NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE logs_old PARTITION OF logs FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
