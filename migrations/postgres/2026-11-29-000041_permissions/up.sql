-- Which models may be called: NULL for all, else a JSON array of names, of which those that end with * stand for each
-- that begins so.
ALTER TABLE users ADD COLUMN models TEXT COLLATE "C";
ALTER TABLE teams ADD COLUMN models TEXT COLLATE "C";
CREATE INDEX teams_revision ON teams (revision);

-- What a key may do of what its user may; NULL: all of it.
ALTER TABLE api_keys ADD COLUMN role TEXT COLLATE "C";
ALTER TABLE api_keys ADD COLUMN routes TEXT COLLATE "C";
ALTER TABLE api_keys ADD COLUMN models TEXT COLLATE "C";
-- To the minute.
ALTER TABLE api_keys ADD COLUMN last_used_at BIGINT;
-- How often its secret was replaced; the one before is good until old_until.
ALTER TABLE api_keys ADD COLUMN generation BIGINT NOT NULL DEFAULT 0;
ALTER TABLE api_keys ADD COLUMN old_secret_hash BYTEA;
ALTER TABLE api_keys ADD COLUMN old_until BIGINT;
