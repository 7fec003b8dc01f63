DROP TABLE audit_checkpoints;
DROP TRIGGER audit_entries_refuse_row ON audit_entries;
DROP FUNCTION audit_entries_refuse_row();
DROP TRIGGER audit_entries_refuse ON audit_entries;
DROP TABLE audit_drops;
DROP TABLE audit_erasures;
ALTER TABLE audit_entries DROP COLUMN about;
ALTER TABLE audit_entries DROP COLUMN personal;
ALTER TABLE audit_entries DROP COLUMN change;
CREATE TRIGGER audit_entries_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION audit_entries_refuse();
