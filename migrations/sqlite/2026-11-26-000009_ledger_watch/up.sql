-- Each replica counts up its row while it lives, so that others see when it stopped. No two clocks are compared.
CREATE TABLE replicas (
    name TEXT NOT NULL PRIMARY KEY,
    beats BIGINT NOT NULL
);

-- Calls whose hold was ended by another replica than the one that serves them: if that one comes back, what the call
-- cost beyond what was booked is still to be booked.
CREATE TABLE ledger_orphans (
    request_id TEXT NOT NULL PRIMARY KEY,
    ended_at BIGINT NOT NULL
);
CREATE INDEX ledger_orphans_ended_at ON ledger_orphans (ended_at);

-- A budget that came to a fraction at which somebody wants to know: once for each account. `owner` is the replica that
-- is to tell; `recorded_at` is when it was in the audit log, `told_at` when nothing was left to do.
CREATE TABLE budget_alerts (
    id TEXT NOT NULL PRIMARY KEY,
    account TEXT NOT NULL,
    fraction_ppm BIGINT NOT NULL,
    name TEXT NOT NULL,
    spent_pusd BIGINT NOT NULL,
    limit_pusd BIGINT NOT NULL,
    raised_at BIGINT NOT NULL,
    owner TEXT NOT NULL,
    recorded_at BIGINT,
    told_at BIGINT,
    UNIQUE (account, fraction_ppm)
);
CREATE INDEX budget_alerts_untold ON budget_alerts (owner, id) WHERE told_at IS NULL;

-- The balances of a budget in one period: an account is `budget/subject/since`, and ids have 36 characters.
CREATE INDEX ledger_balances_period ON ledger_balances ((substr(account, 1, 37) || substr(account, 75)));
