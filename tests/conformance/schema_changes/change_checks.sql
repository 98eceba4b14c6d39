-- Checks come, go and change.
-- expect: equal
-- before
CREATE TABLE prices (price int CHECK (price > 0), qty int, CONSTRAINT low CHECK (price < 1000), CONSTRAINT gone CHECK (qty <> 13));
-- data
INSERT INTO prices VALUES (1, 1), (999, 2);
-- keeps
SELECT * FROM prices ORDER BY price
-- after
CREATE TABLE prices (price int CHECK (price > 0), qty int CHECK (qty >= 0), CONSTRAINT low CHECK (price < 2000));
