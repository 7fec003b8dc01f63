-- What is personal lies beside the hashed line, which holds its SHA-256: `personal` (who called, from where, for what path)
-- goes with `user_id`, `change` (what was changed) with `about`, the user it is about.
ALTER TABLE audit_entries ADD COLUMN about TEXT;
ALTER TABLE audit_entries ADD COLUMN personal TEXT;
ALTER TABLE audit_entries ADD COLUMN change TEXT;
CREATE INDEX audit_entries_about ON audit_entries (about) WHERE about IS NOT NULL;

-- Signed statements of how far a chain had come at a time. `statement` is the line of JSON that was signed, byte for byte.
CREATE TABLE audit_checkpoints (
    chain TEXT NOT NULL,
    number BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    time BIGINT NOT NULL,
    statement TEXT NOT NULL,
    signature BLOB NOT NULL,
    PRIMARY KEY (chain, number)
);

-- Which beginning of a chain may be deleted, and whose parts may be erased up to which entry. The chain of custody has a
-- record of each of these rows; without it the verifier calls the loss a fault.
CREATE TABLE audit_drops (
    chain TEXT NOT NULL PRIMARY KEY,
    through_seq BIGINT NOT NULL
);
CREATE TABLE audit_erasures (
    user_id TEXT NOT NULL,
    chain TEXT NOT NULL,
    through_seq BIGINT NOT NULL,
    PRIMARY KEY (user_id, chain)
);

-- The log is append-only but for that. Whoever owns the file can drop these triggers; the hash chain is what shows it.
DROP TRIGGER audit_entries_refuse_update;
DROP TRIGGER audit_entries_refuse_delete;
CREATE TRIGGER audit_entries_refuse_update
BEFORE UPDATE OF chain, seq, id, request_id, stage, time, user_id, route, decision, status, prev_hash, hash, entry, about
ON audit_entries
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_entries_refuse_personal BEFORE UPDATE OF personal ON audit_entries
WHEN NEW.personal IS NOT NULL OR NOT EXISTS (
    SELECT 1 FROM audit_erasures e
    WHERE e.user_id = OLD.user_id AND e.chain = OLD.chain AND e.through_seq >= OLD.seq
)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_entries_refuse_change BEFORE UPDATE OF change ON audit_entries
WHEN NEW.change IS NOT NULL OR NOT EXISTS (
    SELECT 1 FROM audit_erasures e
    WHERE e.user_id = OLD.about AND e.chain = OLD.chain AND e.through_seq >= OLD.seq
)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_entries_refuse_delete BEFORE DELETE ON audit_entries
WHEN NOT EXISTS (SELECT 1 FROM audit_drops d WHERE d.chain = OLD.chain AND d.through_seq >= OLD.seq)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_checkpoints_refuse_update BEFORE UPDATE ON audit_checkpoints
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_checkpoints_refuse_delete BEFORE DELETE ON audit_checkpoints
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
