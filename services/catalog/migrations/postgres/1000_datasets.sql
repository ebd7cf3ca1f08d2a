-- Dataset records. Times are microseconds since 1970 in UTC; changes are numbers of `change_counter`.
CREATE TABLE datasets (
    tenant TEXT COLLATE "C" NOT NULL,
    dataset TEXT COLLATE "C" NOT NULL,
    -- Derived from what follows whenever the row is written, so that lists can filter by it.
    state TEXT COLLATE "C" NOT NULL,
    -- What the latest announcement, or the upload, said.
    source TEXT COLLATE "C" NOT NULL, -- the source's id; empty for an upload
    source_kind TEXT COLLATE "C" NOT NULL,
    path TEXT COLLATE "C" NOT NULL,
    materialization BYTEA NOT NULL, -- millrace.common.v1.Materialization
    retracted BIGINT NOT NULL,
    -- What is said about the dataset: the edited fields as a person left them, the others as the source has them.
    metadata BYTEA NOT NULL, -- millrace.common.v1.Metadata
    edited_fields TEXT COLLATE "C" NOT NULL, -- paths, joined by commas
    hidden BIGINT NOT NULL,
    -- The latest attempt at profiling it. The job is NULL until there was one.
    job TEXT COLLATE "C",
    attempt_phase TEXT COLLATE "C" NOT NULL DEFAULT '',
    attempt_token TEXT COLLATE "C" NOT NULL DEFAULT '', -- the version token of the announcement that it serves
    attempts BIGINT NOT NULL DEFAULT 0,
    next_attempt BIGINT,
    attempt_error BYTEA, -- millrace.common.v1.WorkError
    -- The newest version that was recorded, and the version token under which its bytes were last seen.
    newest_version BIGINT,
    newest_token TEXT COLLATE "C" NOT NULL DEFAULT '',
    -- The version that readers see: the newest one that went through the indexer.
    current_version BIGINT,
    -- What the index should hold last changed at `index_change`; it holds version `index_held`, and what changed has
    -- been applied once `index_done`.
    index_change BIGINT NOT NULL,
    index_done BIGINT NOT NULL,
    index_held BIGINT,
    index_cause TEXT COLLATE "C" NOT NULL, -- the trace context of that change; empty when it was not traced
    revision BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    change BIGINT NOT NULL UNIQUE,
    PRIMARY KEY (tenant, dataset)
);

CREATE INDEX datasets_by_change ON datasets (tenant, change);
CREATE INDEX datasets_by_index_change ON datasets (index_change);
CREATE INDEX datasets_to_index ON datasets (index_change) WHERE index_done = 0;

-- Versions: what the bytes of a dataset were at one time. None is ever deleted.
CREATE TABLE versions (
    tenant TEXT COLLATE "C" NOT NULL,
    dataset TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL, -- 1, 2, 3
    digest TEXT COLLATE "C" NOT NULL, -- SHA-256, in hexadecimal
    size_bytes BIGINT NOT NULL,
    profile TEXT COLLATE "C" NOT NULL, -- the profile's id
    recipe BYTEA NOT NULL, -- millrace.common.v1.Recipe
    row_count BIGINT NOT NULL,
    column_count BIGINT NOT NULL,
    time_range BYTEA, -- millrace.common.v1.TimeRange
    box BYTEA, -- millrace.common.v1.BoundingBox
    content_key TEXT COLLATE "C", -- the object that keeps the bytes; NULL when none does
    materialization BYTEA NOT NULL, -- how the bytes were got
    file_name TEXT COLLATE "C" NOT NULL,
    indexed BIGINT NOT NULL,
    created BIGINT NOT NULL,
    -- The first hundred columns, which every reader of a version is shown.
    columns TEXT COLLATE "C" NOT NULL, -- JSON: [{"column", "structural_type", "semantic_types"}]
    PRIMARY KEY (tenant, dataset, version),
    FOREIGN KEY (tenant, dataset) REFERENCES datasets (tenant, dataset)
);

-- The words of a version that search looks at. Apart from `versions`, because they may be long.
CREATE TABLE version_words (
    tenant TEXT COLLATE "C" NOT NULL,
    dataset TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    words TEXT COLLATE "C" NOT NULL, -- JSON: {"columns": [[name, structural type]], "values": […]}
    PRIMARY KEY (tenant, dataset, version),
    FOREIGN KEY (tenant, dataset, version) REFERENCES versions (tenant, dataset, version)
);
