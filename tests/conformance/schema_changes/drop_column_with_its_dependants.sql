-- A column takes along the index, the check and the unique constraint that stand on it.
-- expect: equal
-- allow: users.email
-- before
CREATE TABLE users (
    id int PRIMARY KEY, email text UNIQUE, name text,
    CONSTRAINT email_has_at CHECK (email LIKE '%@%'), CONSTRAINT one_of_both CHECK (email IS NOT NULL OR name IS NOT NULL)
);
CREATE INDEX users_by_domain ON users (split_part(email, '@', 2));
-- data
INSERT INTO users VALUES (1, 'a@x', 'Ada');
-- keeps
SELECT id, name FROM users
-- after
CREATE TABLE users (id int PRIMARY KEY, name text);
