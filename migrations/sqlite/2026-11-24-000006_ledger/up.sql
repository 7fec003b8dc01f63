INSERT INTO revisions (name, value) VALUES ('budgets', 0);

-- `spec` is the budget as it was written, in JSON.
CREATE TABLE budgets (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    subject TEXT,
    spec TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT,
    revision BIGINT NOT NULL
);
-- One general budget of a name, and one for each subject.
CREATE UNIQUE INDEX budgets_name_subject ON budgets (name, COALESCE(subject, '')) WHERE deleted_at IS NULL;

-- What is spent and held of each budget, for each of those it speaks of, in each period. Amounts are pico-USD, and can be
-- added up again from `ledger_entries`.
CREATE TABLE ledger_balances (
    account TEXT NOT NULL PRIMARY KEY,
    spent_pusd BIGINT NOT NULL,
    held_pusd BIGINT NOT NULL
);

-- Money set aside for calls that are under way. `owner` is the replica that serves the call; `accounts` is a JSON list.
CREATE TABLE ledger_holds (
    request_id TEXT NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    opened_at BIGINT NOT NULL,
    amount_pusd BIGINT NOT NULL,
    accounts TEXT NOT NULL,
    user_id TEXT NOT NULL,
    team_id TEXT,
    key_id TEXT,
    route TEXT NOT NULL,
    model TEXT,
    price_version BIGINT
);
CREATE INDEX ledger_holds_owner ON ledger_holds (owner);

-- Everything that ever became of money: at most one entry of a kind (hold, settle, release, forced) for each call.
CREATE TABLE ledger_entries (
    request_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    time BIGINT NOT NULL,
    amount_pusd BIGINT NOT NULL,
    accounts TEXT NOT NULL,
    user_id TEXT NOT NULL,
    team_id TEXT,
    key_id TEXT,
    route TEXT NOT NULL,
    model TEXT,
    price_version BIGINT,
    input_tokens BIGINT NOT NULL,
    cached_tokens BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    estimated BOOLEAN NOT NULL,
    PRIMARY KEY (request_id, kind)
);
CREATE INDEX ledger_entries_time ON ledger_entries (time);
CREATE INDEX ledger_entries_user_id ON ledger_entries (user_id, time);

-- The entries are append-only.
CREATE TRIGGER ledger_entries_refuse_update BEFORE UPDATE ON ledger_entries
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;
CREATE TRIGGER ledger_entries_refuse_delete BEFORE DELETE ON ledger_entries
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;
