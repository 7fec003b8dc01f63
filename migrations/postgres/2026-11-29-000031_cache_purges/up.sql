INSERT INTO revisions (name, value) VALUES ('cache', 0);

-- The last purge of what is kept of a route; '*' is that of every route. An answer is found only under the purges that were
-- the last when it was asked for.
CREATE TABLE cache_purges (
    route TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    purge_id TEXT NOT NULL
);
