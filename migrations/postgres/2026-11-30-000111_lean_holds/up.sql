-- Each metered call inserts a hold and deletes it. Holds are only those of calls under way, so that whoever looks for those of a
-- replica can read them all.
DROP INDEX ledger_holds_owner;
