-- Policies come, go and change, and security is forced no longer.
-- expect: equal
-- before
CREATE TABLE docs (id int PRIMARY KEY, owner text NOT NULL);
ALTER TABLE docs ENABLE ROW LEVEL SECURITY;
ALTER TABLE docs FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON docs USING (owner = CURRENT_USER);
CREATE POLICY gone ON docs FOR SELECT USING (true);
-- after
CREATE TABLE docs (id int PRIMARY KEY, owner text NOT NULL);
ALTER TABLE docs ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON docs AS RESTRICTIVE FOR UPDATE USING (owner = SESSION_USER) WITH CHECK (id > 0);
