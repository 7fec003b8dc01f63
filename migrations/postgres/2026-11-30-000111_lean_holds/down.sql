CREATE INDEX ledger_holds_owner ON ledger_holds (owner);
