DROP TABLE idempotency_keys;
DROP TABLE sealed_secrets;
DROP TABLE signing_keys;
DROP TABLE sessions;
DROP TABLE users;
DROP TABLE revisions;
