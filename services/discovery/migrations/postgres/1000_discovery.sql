-- Places where datasets lie. A deleted source stays until its datasets are retracted. Times are microseconds since
-- 1970 in UTC; blobs hold messages of the contract.
CREATE TABLE sources (
    uid TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    title TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    settings BYTEA NOT NULL,
    interval BIGINT,
    exclude TEXT COLLATE "C" NOT NULL,
    metadata BYTEA NOT NULL,
    revision BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    last_crawl BIGINT,
    next_crawl BIGINT,
    deleted BIGINT,
    deleted_by TEXT COLLATE "C"
);
CREATE UNIQUE INDEX sources_by_name ON sources (tenant, id) WHERE deleted IS NULL;
CREATE INDEX sources_due ON sources (next_crawl) WHERE next_crawl IS NOT NULL AND deleted IS NULL;
CREATE INDEX sources_deleted ON sources (deleted) WHERE deleted IS NOT NULL;

-- What was announced of each source. A retracted row stays, so that its announcements go on counting.
CREATE TABLE entries (
    source TEXT COLLATE "C" NOT NULL REFERENCES sources (uid),
    path TEXT COLLATE "C" NOT NULL,
    dataset TEXT COLLATE "C" NOT NULL,
    version_token TEXT COLLATE "C" NOT NULL,
    metadata_digest BYTEA NOT NULL,
    announcement BIGINT NOT NULL,
    retracted BIGINT NOT NULL DEFAULT 0,
    -- The crawl that saw it last.
    seen TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (source, path)
);
CREATE INDEX entries_by_state ON entries (source, retracted, seen);

-- Crawls that are gone, for watches that still show them.
CREATE TABLE removed_crawls (
    change BIGINT NOT NULL PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    crawl TEXT COLLATE "C" NOT NULL,
    removed BIGINT NOT NULL
);
