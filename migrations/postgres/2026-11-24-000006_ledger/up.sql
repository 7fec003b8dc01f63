INSERT INTO revisions (name, value) VALUES ('budgets', 0);

-- `spec` is the budget as it was written, in JSON.
CREATE TABLE budgets (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C",
    spec TEXT COLLATE "C" NOT NULL,
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
    account TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    spent_pusd BIGINT NOT NULL,
    held_pusd BIGINT NOT NULL
);

-- Money set aside for calls that are under way. `owner` is the replica that serves the call; `accounts` is a JSON list.
CREATE TABLE ledger_holds (
    request_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    owner TEXT COLLATE "C" NOT NULL,
    opened_at BIGINT NOT NULL,
    amount_pusd BIGINT NOT NULL,
    accounts TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    team_id TEXT COLLATE "C",
    key_id TEXT COLLATE "C",
    route TEXT COLLATE "C" NOT NULL,
    model TEXT COLLATE "C",
    price_version BIGINT
);
CREATE INDEX ledger_holds_owner ON ledger_holds (owner);

-- Everything that ever became of money: at most one entry of a kind (hold, settle, release, forced) for each call.
CREATE TABLE ledger_entries (
    request_id TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    time BIGINT NOT NULL,
    amount_pusd BIGINT NOT NULL,
    accounts TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    team_id TEXT COLLATE "C",
    key_id TEXT COLLATE "C",
    route TEXT COLLATE "C" NOT NULL,
    model TEXT COLLATE "C",
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
CREATE FUNCTION ledger_entries_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only';
END;
$$;
CREATE TRIGGER ledger_entries_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_entries_refuse();
