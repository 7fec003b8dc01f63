-- The names of API keys whose rows are gone: their ids stay in the audit log and in the ledger.
CREATE TABLE purged_api_keys (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT NOT NULL
);
