INSERT INTO revisions (name, value) VALUES ('prices', 0);

-- Each change of the price list makes a version of it.
CREATE TABLE price_versions (
    version BIGINT NOT NULL PRIMARY KEY,
    created_at BIGINT NOT NULL,
    source TEXT NOT NULL
);

-- What models cost: a row holds from one version of the list on until, and without, another. `spec` is the price as it is
-- written, in JSON. Rows stay when they have ended, so that the prices of every version can be looked up.
CREATE TABLE prices (
    model TEXT NOT NULL,
    from_version BIGINT NOT NULL,
    until_version BIGINT,
    spec TEXT NOT NULL,
    PRIMARY KEY (model, from_version)
);
