-- A foreign key does something else when its parent goes, and is checked later.
-- expect: equal
-- before
CREATE TABLE parents (id int PRIMARY KEY);
CREATE TABLE children (id int PRIMARY KEY, parent int REFERENCES parents ON DELETE CASCADE);
-- data
INSERT INTO parents VALUES (1); INSERT INTO children VALUES (1, 1);
-- keeps
SELECT * FROM children
-- after
CREATE TABLE parents (id int PRIMARY KEY);
CREATE TABLE children (id int PRIMARY KEY, parent int REFERENCES parents ON DELETE SET NULL ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED);
