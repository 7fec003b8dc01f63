-- The replica that served a call whose hold another replica ended: at its next start it amends what was booked for its
-- calls by what its own log says. Empty: not known, of before this column.
ALTER TABLE ledger_orphans ADD COLUMN owner TEXT NOT NULL DEFAULT '';
