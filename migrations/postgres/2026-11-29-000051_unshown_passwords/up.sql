-- The made-up password of the first administrator, until it has been printed: whose it is, by its hash, so that any later
-- password makes the row void, and the replica that made it up.
CREATE TABLE unshown_passwords (
    user_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    password_hash TEXT COLLATE "C" NOT NULL,
    replica TEXT COLLATE "C" NOT NULL
);
