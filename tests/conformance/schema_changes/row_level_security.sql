-- A table gets row level security with its policies.
-- expect: equal
-- before
CREATE TABLE docs (id int PRIMARY KEY, owner text NOT NULL);
-- data
INSERT INTO docs VALUES (1, 'a');
-- keeps
SELECT * FROM docs
-- after
CREATE TABLE docs (id int PRIMARY KEY, owner text NOT NULL);
ALTER TABLE docs ENABLE ROW LEVEL SECURITY;
ALTER TABLE docs FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON docs USING (owner = CURRENT_USER) WITH CHECK (owner = CURRENT_USER);
CREATE POLICY read ON docs FOR SELECT USING (true);
