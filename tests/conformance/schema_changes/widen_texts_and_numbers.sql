-- Varying characters and numerics widen.
-- expect: equal
-- before
CREATE TABLE prices (code varchar(8) PRIMARY KEY, label varchar(20) DEFAULT 'none', price numeric(8, 2));
-- data
INSERT INTO prices VALUES ('a', 'x', 12.34), ('b', 'y', 0.05);
-- keeps
SELECT * FROM prices ORDER BY code
-- after
CREATE TABLE prices (code varchar(16) PRIMARY KEY, label text DEFAULT 'none', price numeric(12, 2));
