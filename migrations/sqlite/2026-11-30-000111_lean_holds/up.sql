-- Each metered call inserts a hold and deletes it. Holds are only those of calls under way, so that whoever looks for those of a
-- replica can read them all; the rows stand in the index of their ids itself.
CREATE TABLE lean_holds (
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
) WITHOUT ROWID;
INSERT INTO lean_holds SELECT * FROM ledger_holds;
DROP TABLE ledger_holds;
ALTER TABLE lean_holds RENAME TO ledger_holds;
