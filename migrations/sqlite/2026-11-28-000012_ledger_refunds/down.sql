ALTER TABLE ledger_orphans DROP COLUMN owner;
