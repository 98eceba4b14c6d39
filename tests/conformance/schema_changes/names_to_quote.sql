-- Names that are words of SQL, or hold quotes, blanks and capitals, are no different.
-- expect: equal
-- before
CREATE TABLE "order" (id int PRIMARY KEY, "select" text, "Mixed Case" int);
-- data
INSERT INTO "order" VALUES (1, 's', 2);
-- keeps
SELECT id, "select", "Mixed Case" FROM "order"
-- after
CREATE TYPE "Mood" AS ENUM ('it''s ok', 'so "so"');
CREATE TABLE "group" ("order" int PRIMARY KEY, "q""uote" "Mood" DEFAULT 'it''s ok');
CREATE TABLE "order" (id int PRIMARY KEY, "select" text NOT NULL DEFAULT '', "Mixed Case" bigint);
CREATE INDEX "user" ON "order" ("select", "Mixed Case");
