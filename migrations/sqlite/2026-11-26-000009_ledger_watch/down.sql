DROP INDEX ledger_balances_period;
DROP TABLE budget_alerts;
DROP TABLE ledger_orphans;
DROP TABLE replicas;
