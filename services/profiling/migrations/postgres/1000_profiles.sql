-- Profiles, by tenant and id. The id derives from content digest, recipe and engine version, so the same bytes have one.
CREATE TABLE profiles (
    tenant TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    object_key TEXT COLLATE "C" NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    size_bytes BIGINT NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);

-- The latest job of each dataset; only its outcome is published.
CREATE TABLE dataset_jobs (
    dataset TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    job TEXT COLLATE "C" NOT NULL
);
