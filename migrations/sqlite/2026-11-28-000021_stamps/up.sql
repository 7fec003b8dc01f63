-- A random mark for each value that a revision has had, drawn in the transaction of the change. Who has read up to a value
-- looks whether its mark is still the one it saw: if not, the store went back (a failover that lost commits, a restore)
-- and went on with other changes. The last 10,000 are kept; who saw an older one reads everything.
CREATE TABLE stamps (
    name TEXT NOT NULL,
    value BIGINT NOT NULL,
    mark BIGINT NOT NULL,
    PRIMARY KEY (name, value)
);
INSERT INTO stamps (name, value, mark) SELECT name, value, random() FROM revisions;

CREATE TRIGGER revisions_begin AFTER INSERT ON revisions
BEGIN
    INSERT INTO stamps (name, value, mark) VALUES (NEW.name, NEW.value, random())
    ON CONFLICT (name, value) DO UPDATE SET mark = excluded.mark;
END;
CREATE TRIGGER revisions_stamp AFTER UPDATE OF value ON revisions WHEN OLD.value <> NEW.value
BEGIN
    INSERT INTO stamps (name, value, mark) VALUES (NEW.name, NEW.value, random())
    ON CONFLICT (name, value) DO UPDATE SET mark = excluded.mark;
    DELETE FROM stamps WHERE name = NEW.name AND value <= NEW.value - 10000;
END;

-- Names of users differ in more than case.
CREATE INDEX users_username_lower ON users (lower(username)) WHERE deleted_at IS NULL;
