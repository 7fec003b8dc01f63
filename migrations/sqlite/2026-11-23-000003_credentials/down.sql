DROP TABLE api_keys;
DROP INDEX users_external;
ALTER TABLE users DROP COLUMN tokens_not_before;
ALTER TABLE users DROP COLUMN external_subject;
ALTER TABLE users DROP COLUMN external_issuer;
DROP INDEX sessions_api_key_id;
ALTER TABLE sessions DROP COLUMN api_key_id;
ALTER TABLE signing_keys DROP COLUMN activates_at;
