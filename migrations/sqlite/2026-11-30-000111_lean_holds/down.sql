CREATE TABLE former_holds (
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
INSERT INTO former_holds SELECT * FROM ledger_holds;
DROP TABLE ledger_holds;
ALTER TABLE former_holds RENAME TO ledger_holds;
CREATE INDEX ledger_holds_owner ON ledger_holds (owner);
