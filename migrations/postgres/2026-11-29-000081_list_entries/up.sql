INSERT INTO revisions (name, value) VALUES ('routing', 0);

-- Upstreams, routes and names for models that administrators made. The document has the fields of a configuration's entry, as
-- JSON; the secret of an upstream is sealed under the master key.
CREATE TABLE list_entries (
    kind TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    document TEXT NOT NULL,
    sealed_secret BYTEA,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (kind, name)
);
