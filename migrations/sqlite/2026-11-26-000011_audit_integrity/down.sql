DROP TABLE audit_checkpoints;
DROP TRIGGER audit_entries_refuse_update;
DROP TRIGGER audit_entries_refuse_personal;
DROP TRIGGER audit_entries_refuse_change;
DROP TRIGGER audit_entries_refuse_delete;
DROP TABLE audit_drops;
DROP TABLE audit_erasures;
DROP INDEX audit_entries_about;
ALTER TABLE audit_entries DROP COLUMN about;
ALTER TABLE audit_entries DROP COLUMN personal;
ALTER TABLE audit_entries DROP COLUMN change;
CREATE TRIGGER audit_entries_refuse_update BEFORE UPDATE ON audit_entries
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_entries_refuse_delete BEFORE DELETE ON audit_entries
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
