-- One row that is raised in the transaction of every change to a watched resource, so that change numbers are given
-- out in commit order.
CREATE TABLE change_counter (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    value INTEGER NOT NULL
);
INSERT INTO change_counter (id, value) VALUES (1, 0);

-- Ordered lists that later pages are read from.
CREATE TABLE page_pins (
    id      TEXT    NOT NULL PRIMARY KEY,
    owner   TEXT    NOT NULL,
    query   TEXT    NOT NULL,
    length  INTEGER NOT NULL,
    created INTEGER NOT NULL
);
CREATE INDEX page_pins_by_age ON page_pins (created);

-- The ids of a pinned list, a thousand to a row, one to a line.
CREATE TABLE page_pin_chunks (
    pin   TEXT    NOT NULL REFERENCES page_pins (id) ON DELETE CASCADE,
    chunk INTEGER NOT NULL,
    ids   TEXT    NOT NULL,
    PRIMARY KEY (pin, chunk)
);

-- What calls with a request id were answered, so that a repeated call is answered alike.
CREATE TABLE requests (
    tenant      TEXT    NOT NULL,
    method      TEXT    NOT NULL,
    request_id  TEXT    NOT NULL,
    fingerprint BLOB    NOT NULL,
    reply       BLOB    NOT NULL,
    created     INTEGER NOT NULL,
    PRIMARY KEY (tenant, method, request_id)
);
CREATE INDEX requests_by_age ON requests (created);

-- Long work, claimed by lease and fencing number. Times are microseconds since 1970 in UTC.
CREATE TABLE work (
    queue            TEXT    NOT NULL,
    id               TEXT    NOT NULL,
    tenant           TEXT    NOT NULL,
    resource         TEXT    NOT NULL,
    priority         INTEGER NOT NULL,
    phase            TEXT    NOT NULL
                     CHECK (phase IN ('queued', 'running', 'waiting', 'succeeded', 'failed', 'cancelled')),
    attempts         INTEGER NOT NULL DEFAULT 0,
    max_attempts     INTEGER NOT NULL,
    next_attempt     INTEGER,
    lease_until      INTEGER,
    fence            INTEGER NOT NULL DEFAULT 0,
    progress         REAL,
    counts           TEXT    NOT NULL DEFAULT '[]',
    error_reason     TEXT,
    error_message    TEXT,
    error_retryable  INTEGER,
    created          INTEGER NOT NULL,
    started          INTEGER,
    ended            INTEGER,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    input            BLOB    NOT NULL,
    detail           BLOB    NOT NULL,
    change           INTEGER NOT NULL,
    PRIMARY KEY (queue, id)
);
CREATE INDEX work_open ON work (queue, priority DESC, created, id) WHERE phase IN ('queued', 'waiting', 'running');
CREATE INDEX work_by_change ON work (queue, change);
CREATE INDEX work_by_resource ON work (queue, tenant, resource, created);
