DROP TABLE ledger_entries;
DROP TABLE ledger_holds;
DROP TABLE ledger_balances;
DROP FUNCTION ledger_entries_refuse;
DROP TABLE budgets;
DELETE FROM revisions WHERE name = 'budgets';
