-- What is personal lies beside the hashed line, which holds its SHA-256: `personal` (who called, from where, for what path)
-- goes with `user_id`, `change` (what was changed) with `about`, the user it is about.
ALTER TABLE audit_entries ADD COLUMN about TEXT COLLATE "C";
ALTER TABLE audit_entries ADD COLUMN personal TEXT COLLATE "C";
ALTER TABLE audit_entries ADD COLUMN change TEXT COLLATE "C";
CREATE INDEX audit_entries_about ON audit_entries (about) WHERE about IS NOT NULL;

-- Signed statements of how far a chain had come at a time. `statement` is the line of JSON that was signed, byte for byte.
CREATE TABLE audit_checkpoints (
    chain TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    time BIGINT NOT NULL,
    statement TEXT COLLATE "C" NOT NULL,
    signature BYTEA NOT NULL,
    PRIMARY KEY (chain, number)
);

-- Which beginning of a chain may be deleted, and whose parts may be erased up to which entry. The chain of custody has a
-- record of each of these rows; without it the verifier calls the loss a fault.
CREATE TABLE audit_drops (
    chain TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    through_seq BIGINT NOT NULL
);
CREATE TABLE audit_erasures (
    user_id TEXT COLLATE "C" NOT NULL,
    chain TEXT COLLATE "C" NOT NULL,
    through_seq BIGINT NOT NULL,
    PRIMARY KEY (user_id, chain)
);

-- The log is append-only but for that. Whoever owns the database can drop these triggers; the hash chain is what shows it.
DROP TRIGGER audit_entries_refuse ON audit_entries;
CREATE TRIGGER audit_entries_refuse
    BEFORE UPDATE OF chain, seq, id, request_id, stage, time, user_id, route, decision, status, prev_hash, hash, entry, about
        OR TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION audit_entries_refuse();
CREATE FUNCTION audit_entries_refuse_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM 1 FROM audit_drops d WHERE d.chain = OLD.chain AND d.through_seq >= OLD.seq;
        IF FOUND THEN
            RETURN OLD;
        END IF;
        RAISE EXCEPTION 'the audit log is append-only';
    END IF;
    IF NEW.personal IS DISTINCT FROM OLD.personal THEN
        PERFORM 1 FROM audit_erasures e
            WHERE e.user_id = OLD.user_id AND e.chain = OLD.chain AND e.through_seq >= OLD.seq;
        IF NEW.personal IS NOT NULL OR NOT FOUND THEN
            RAISE EXCEPTION 'the audit log is append-only';
        END IF;
    END IF;
    IF NEW.change IS DISTINCT FROM OLD.change THEN
        PERFORM 1 FROM audit_erasures e
            WHERE e.user_id = OLD.about AND e.chain = OLD.chain AND e.through_seq >= OLD.seq;
        IF NEW.change IS NOT NULL OR NOT FOUND THEN
            RAISE EXCEPTION 'the audit log is append-only';
        END IF;
    END IF;
    RETURN NEW;
END;
$$;
CREATE TRIGGER audit_entries_refuse_row BEFORE UPDATE OR DELETE ON audit_entries
    FOR EACH ROW EXECUTE FUNCTION audit_entries_refuse_row();
CREATE TRIGGER audit_checkpoints_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION audit_entries_refuse();
