-- A random mark for each value that a revision has had, drawn in the transaction of the change. Who has read up to a value
-- looks whether its mark is still the one it saw: if not, the store went back (a failover that lost commits, a restore)
-- and went on with other changes. The last 10,000 are kept; who saw an older one reads everything.
CREATE TABLE stamps (
    name TEXT COLLATE "C" NOT NULL,
    value BIGINT NOT NULL,
    mark BIGINT NOT NULL,
    PRIMARY KEY (name, value)
);
INSERT INTO stamps (name, value, mark) SELECT name, value, (random() * 9007199254740992)::bigint FROM revisions;

CREATE FUNCTION revisions_stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO stamps (name, value, mark) VALUES (NEW.name, NEW.value, (random() * 9007199254740992)::bigint)
    ON CONFLICT (name, value) DO UPDATE SET mark = excluded.mark;
    DELETE FROM stamps WHERE name = NEW.name AND value <= NEW.value - 10000;
    RETURN NULL;
END;
$$;
CREATE TRIGGER revisions_begin AFTER INSERT ON revisions FOR EACH ROW EXECUTE FUNCTION revisions_stamp();
CREATE TRIGGER revisions_stamp AFTER UPDATE OF value ON revisions FOR EACH ROW WHEN (OLD.value <> NEW.value)
    EXECUTE FUNCTION revisions_stamp();

-- Names of users differ in more than case.
CREATE INDEX users_username_lower ON users (lower(username)) WHERE deleted_at IS NULL;
