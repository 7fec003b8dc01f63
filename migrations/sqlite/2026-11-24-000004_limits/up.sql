-- Teams, and the limits that are changed while the gateway runs.

CREATE TABLE teams (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT,
    revision BIGINT NOT NULL
);
-- The name of a deleted team can be given to another.
CREATE UNIQUE INDEX teams_name ON teams (name) WHERE deleted_at IS NULL;

-- Whether somebody is in a team.
CREATE INDEX users_team_id ON users (team_id) WHERE deleted_at IS NULL;

INSERT INTO revisions (name, value) VALUES ('limits', 0);

-- `routes` is a JSON list of names; `quantity` is what the outside calls `limit`.
CREATE TABLE limits (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    routes TEXT NOT NULL,
    per TEXT NOT NULL,
    subject TEXT,
    unit TEXT NOT NULL,
    quantity BIGINT NOT NULL,
    window_s BIGINT,
    burst BIGINT,
    mode TEXT NOT NULL,
    on_error TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT,
    revision BIGINT NOT NULL
);
-- One general limit of a name, and one for each subject.
CREATE UNIQUE INDEX limits_name_subject ON limits (name, COALESCE(subject, '')) WHERE deleted_at IS NULL;
