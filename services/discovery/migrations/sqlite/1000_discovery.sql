-- Places where datasets lie. A deleted source stays until its datasets are retracted. Times are microseconds since
-- 1970 in UTC; blobs hold messages of the contract.
CREATE TABLE sources (
    uid        TEXT    NOT NULL PRIMARY KEY,
    tenant     TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    title      TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    settings   BLOB    NOT NULL,
    interval   INTEGER,
    exclude    TEXT    NOT NULL,
    metadata   BLOB    NOT NULL,
    revision   INTEGER NOT NULL,
    created    INTEGER NOT NULL,
    updated    INTEGER NOT NULL,
    last_crawl INTEGER,
    next_crawl INTEGER,
    deleted    INTEGER,
    deleted_by TEXT
);
CREATE UNIQUE INDEX sources_by_name ON sources (tenant, id) WHERE deleted IS NULL;
CREATE INDEX sources_due ON sources (next_crawl) WHERE next_crawl IS NOT NULL AND deleted IS NULL;
CREATE INDEX sources_deleted ON sources (deleted) WHERE deleted IS NOT NULL;

-- What was announced of each source. A retracted row stays, so that its announcements go on counting.
CREATE TABLE entries (
    source          TEXT    NOT NULL REFERENCES sources (uid),
    path            TEXT    NOT NULL,
    dataset         TEXT    NOT NULL,
    version_token   TEXT    NOT NULL,
    metadata_digest BLOB    NOT NULL,
    announcement    INTEGER NOT NULL,
    retracted       INTEGER NOT NULL DEFAULT 0,
    -- The crawl that saw it last.
    seen            TEXT    NOT NULL,
    PRIMARY KEY (source, path)
);
CREATE INDEX entries_by_state ON entries (source, retracted, seen);

-- Crawls that are gone, for watches that still show them.
CREATE TABLE removed_crawls (
    change  INTEGER NOT NULL PRIMARY KEY,
    tenant  TEXT    NOT NULL,
    source  TEXT    NOT NULL,
    crawl   TEXT    NOT NULL,
    removed INTEGER NOT NULL
);
