-- The audit log: one row an entry, in the order of its chain. `entry` is the line of JSON that was hashed, byte for byte;
-- the other columns repeat what is searched for.
CREATE TABLE audit_entries (
    chain TEXT COLLATE "C" NOT NULL,
    seq BIGINT NOT NULL,
    id TEXT COLLATE "C" NOT NULL UNIQUE,
    request_id TEXT COLLATE "C" NOT NULL,
    stage TEXT COLLATE "C" NOT NULL,
    time BIGINT NOT NULL,
    user_id TEXT COLLATE "C",
    route TEXT COLLATE "C",
    decision TEXT COLLATE "C",
    status INTEGER,
    prev_hash BYTEA NOT NULL,
    hash BYTEA NOT NULL,
    entry TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (chain, seq)
);
CREATE INDEX audit_entries_request_id ON audit_entries (request_id);
CREATE INDEX audit_entries_user_id ON audit_entries (user_id, id);
CREATE INDEX audit_entries_time ON audit_entries (time);

-- The log is append-only. Whoever owns the database can drop this trigger; the hash chain is what shows it.
CREATE FUNCTION audit_entries_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END;
$$;
CREATE TRIGGER audit_entries_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION audit_entries_refuse();
