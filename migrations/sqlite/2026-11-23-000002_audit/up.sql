-- The audit log: one row an entry, in the order of its chain. `entry` is the line of JSON that was hashed, byte for byte;
-- the other columns repeat what is searched for.
CREATE TABLE audit_entries (
    chain TEXT NOT NULL,
    seq BIGINT NOT NULL,
    id TEXT NOT NULL UNIQUE,
    request_id TEXT NOT NULL,
    stage TEXT NOT NULL,
    time BIGINT NOT NULL,
    user_id TEXT,
    route TEXT,
    decision TEXT,
    status INTEGER,
    prev_hash BLOB NOT NULL,
    hash BLOB NOT NULL,
    entry TEXT NOT NULL,
    PRIMARY KEY (chain, seq)
);
CREATE INDEX audit_entries_request_id ON audit_entries (request_id);
CREATE INDEX audit_entries_user_id ON audit_entries (user_id, id);
CREATE INDEX audit_entries_time ON audit_entries (time);

-- The log is append-only. Whoever owns the file can drop these triggers; the hash chain is what shows it.
CREATE TRIGGER audit_entries_refuse_update BEFORE UPDATE ON audit_entries
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_entries_refuse_delete BEFORE DELETE ON audit_entries
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
