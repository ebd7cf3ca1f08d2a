-- Dataset records. Times are microseconds since 1970 in UTC; changes are numbers of `change_counter`.
CREATE TABLE datasets (
    tenant          TEXT    NOT NULL,
    dataset         TEXT    NOT NULL,
    -- Derived from what follows whenever the row is written, so that lists can filter by it.
    state           TEXT    NOT NULL,
    -- What the latest announcement, or the upload, said.
    source          TEXT    NOT NULL,           -- the source's id; empty for an upload
    source_kind     TEXT    NOT NULL,
    path            TEXT    NOT NULL,
    materialization BLOB    NOT NULL,           -- millrace.common.v1.Materialization
    retracted       INTEGER NOT NULL,
    -- What is said about the dataset: the edited fields as a person left them, the others as the source has them.
    metadata        BLOB    NOT NULL,           -- millrace.common.v1.Metadata
    edited_fields   TEXT    NOT NULL,           -- paths, joined by commas
    hidden          INTEGER NOT NULL,
    -- The latest attempt at profiling it. The job is NULL until there was one.
    job             TEXT,
    attempt_phase   TEXT    NOT NULL DEFAULT '',
    attempt_token   TEXT    NOT NULL DEFAULT '', -- the version token of the announcement that it serves
    attempts        INTEGER NOT NULL DEFAULT 0,
    next_attempt    INTEGER,
    attempt_error   BLOB,                       -- millrace.common.v1.WorkError
    -- The newest version that was recorded, and the version token under which its bytes were last seen.
    newest_version  INTEGER,
    newest_token    TEXT    NOT NULL DEFAULT '',
    -- The version that readers see: the newest one that went through the indexer.
    current_version INTEGER,
    -- What the index should hold last changed at `index_change`; it holds version `index_held`, and what changed has
    -- been applied once `index_done`.
    index_change    INTEGER NOT NULL,
    index_done      INTEGER NOT NULL,
    index_held      INTEGER,
    index_cause     TEXT    NOT NULL,           -- the trace context of that change; empty when it was not traced
    revision        INTEGER NOT NULL,
    created         INTEGER NOT NULL,
    updated         INTEGER NOT NULL,
    change          INTEGER NOT NULL UNIQUE,
    PRIMARY KEY (tenant, dataset)
) STRICT, WITHOUT ROWID;

CREATE INDEX datasets_by_change ON datasets (tenant, change);
CREATE INDEX datasets_by_index_change ON datasets (index_change);
CREATE INDEX datasets_to_index ON datasets (index_change) WHERE index_done = 0;

-- Versions: what the bytes of a dataset were at one time. None is ever deleted.
CREATE TABLE versions (
    tenant          TEXT    NOT NULL,
    dataset         TEXT    NOT NULL,
    version         INTEGER NOT NULL,           -- 1, 2, 3
    digest          TEXT    NOT NULL,           -- SHA-256, in hexadecimal
    size_bytes      INTEGER NOT NULL,
    profile         TEXT    NOT NULL,           -- the profile's id
    recipe          BLOB    NOT NULL,           -- millrace.common.v1.Recipe
    row_count       INTEGER NOT NULL,
    column_count    INTEGER NOT NULL,
    time_range      BLOB,                       -- millrace.common.v1.TimeRange
    box             BLOB,                       -- millrace.common.v1.BoundingBox
    content_key     TEXT,                       -- the object that keeps the bytes; NULL when none does
    materialization BLOB    NOT NULL,           -- how the bytes were got
    file_name       TEXT    NOT NULL,
    indexed         INTEGER NOT NULL,
    created         INTEGER NOT NULL,
    -- The first hundred columns, which every reader of a version is shown.
    columns         TEXT    NOT NULL,           -- JSON: [{"column", "structural_type", "semantic_types"}]
    PRIMARY KEY (tenant, dataset, version),
    FOREIGN KEY (tenant, dataset) REFERENCES datasets (tenant, dataset)
) STRICT, WITHOUT ROWID;

-- The words of a version that search looks at. Apart from `versions`, because they may be long.
CREATE TABLE version_words (
    tenant          TEXT    NOT NULL,
    dataset         TEXT    NOT NULL,
    version         INTEGER NOT NULL,
    words           TEXT    NOT NULL,           -- JSON: {"columns": [[name, structural type]], "values": […]}
    PRIMARY KEY (tenant, dataset, version),
    FOREIGN KEY (tenant, dataset, version) REFERENCES versions (tenant, dataset, version)
) STRICT, WITHOUT ROWID;
