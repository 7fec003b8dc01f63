DROP TABLE ledger_entries;
DROP TABLE ledger_holds;
DROP TABLE ledger_balances;
DROP TABLE budgets;
DELETE FROM revisions WHERE name = 'budgets';
