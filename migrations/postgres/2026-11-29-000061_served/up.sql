-- Who served a call that may have gone to several places: the upstream, and what it calls the model.
ALTER TABLE ledger_entries ADD COLUMN upstream TEXT;
ALTER TABLE ledger_entries ADD COLUMN served_model TEXT;
