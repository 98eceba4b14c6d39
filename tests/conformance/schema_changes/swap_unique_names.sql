-- Unique constraints take each other's names.
-- expect: equal
-- before
CREATE TABLE notes (id int PRIMARY KEY, a text, b text, CONSTRAINT one UNIQUE (a), CONSTRAINT two UNIQUE (b));
-- after
CREATE TABLE notes (id int PRIMARY KEY, a text, b text, CONSTRAINT two UNIQUE (a), CONSTRAINT one UNIQUE (b));
