ALTER TABLE ledger_entries DROP COLUMN served_model;
ALTER TABLE ledger_entries DROP COLUMN upstream;
