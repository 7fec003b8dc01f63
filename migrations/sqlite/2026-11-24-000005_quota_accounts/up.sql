-- What was used of limits with long windows, and who holds units of them: `state` is JSON. After `idle_at`
-- (microseconds) forgetting an account changes nothing.
CREATE TABLE quota_accounts (
    account TEXT NOT NULL PRIMARY KEY,
    state TEXT NOT NULL,
    idle_at BIGINT NOT NULL
);
CREATE INDEX quota_accounts_idle_at ON quota_accounts (idle_at);

-- Where else limits were ever counted: one that knows nothing is new only if it is not here.
CREATE TABLE quota_vaults (
    name TEXT NOT NULL PRIMARY KEY,
    born_at BIGINT NOT NULL
);
