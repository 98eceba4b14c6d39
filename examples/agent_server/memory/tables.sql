-- The tables of `memory`, as they are to be. What it takes to get there roost works out.

CREATE TABLE memories (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    kind text NOT NULL,
    body text NOT NULL,
    words tsvector GENERATED ALWAYS AS (to_tsvector('english', body)) STORED
);

CREATE INDEX memories_words ON memories USING gin (words);
