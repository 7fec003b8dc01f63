-- Sign-ins at a provider that were redeemed, by the SHA-256 of their state, so that each is redeemed once over all replicas. A
-- row may go when no replica takes the cookie of its sign-in any more.
CREATE TABLE redeemed_sign_ins (
    state_hash BLOB NOT NULL PRIMARY KEY,
    redeemed_at BIGINT NOT NULL
);
CREATE INDEX redeemed_sign_ins_redeemed_at ON redeemed_sign_ins (redeemed_at);
