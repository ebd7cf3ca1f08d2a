-- Profiles, by tenant and id. The id derives from content digest, recipe and engine version, so the same bytes have one.
CREATE TABLE profiles (
    tenant      TEXT    NOT NULL,
    id          TEXT    NOT NULL,
    object_key  TEXT    NOT NULL,
    digest      TEXT    NOT NULL,
    size_bytes  INTEGER NOT NULL,
    created     INTEGER NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

-- The latest job of each dataset; only its outcome is published.
CREATE TABLE dataset_jobs (
    dataset     TEXT    NOT NULL PRIMARY KEY,
    job         TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
