-- How far each chain of the audit log is counted into the sums of traffic. A log from before this is counted from its
-- beginning by the gateway itself, while it serves.
CREATE TABLE traffic_marks (
    chain TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    through_seq BIGINT NOT NULL
);

-- What the requests of one chain that are counted together have in common.
CREATE TABLE traffic_groups (
    id BIGINT NOT NULL PRIMARY KEY,
    chain TEXT COLLATE "C" NOT NULL,
    route TEXT,
    decision TEXT,
    reason TEXT,
    status INTEGER,
    upstream TEXT,
    model TEXT
);
CREATE INDEX traffic_groups_chain ON traffic_groups (chain);

-- The sums: of each group in each span of 60, 900, 3600 and 86400 seconds. `durations` is a histogram.
CREATE TABLE traffic_sums (
    span_s BIGINT NOT NULL,
    begin_s BIGINT NOT NULL,
    group_id BIGINT NOT NULL,
    requests BIGINT NOT NULL,
    cost_pusd BIGINT NOT NULL,
    durations BYTEA NOT NULL,
    PRIMARY KEY (span_s, begin_s, group_id)
);
