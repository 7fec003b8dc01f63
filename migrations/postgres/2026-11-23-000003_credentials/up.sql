-- Keys that are published before they sign, API keys, and users whom an outside issuer vouches for.

-- From when on a key signs; until then it is only published. The one before it is retired at that time.
ALTER TABLE signing_keys ADD COLUMN activates_at BIGINT NOT NULL DEFAULT 0;

-- The session of a token that an API key was exchanged for ends with that key.
ALTER TABLE sessions ADD COLUMN api_key_id TEXT COLLATE "C";
CREATE INDEX sessions_api_key_id ON sessions (api_key_id) WHERE api_key_id IS NOT NULL;

-- Who the user is to a trusted outside issuer; one user of ours for each subject of theirs, for ever.
ALTER TABLE users ADD COLUMN external_issuer TEXT COLLATE "C";
ALTER TABLE users ADD COLUMN external_subject TEXT COLLATE "C";
CREATE UNIQUE INDEX users_external ON users (external_issuer, external_subject);
-- Tokens of outside issuers that were made before this time are dead.
ALTER TABLE users ADD COLUMN tokens_not_before BIGINT NOT NULL DEFAULT 0;

-- Of the secret only the SHA-256 digest is kept.
CREATE TABLE api_keys (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id),
    name TEXT COLLATE "C" NOT NULL,
    secret_hash BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    revision BIGINT NOT NULL
);
CREATE INDEX api_keys_user_id ON api_keys (user_id, id);
CREATE INDEX api_keys_revision ON api_keys (revision);
