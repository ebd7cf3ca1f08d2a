-- One row that is raised in the transaction of every change to a watched resource, so that change numbers are given
-- out in commit order.
CREATE TABLE change_counter (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    value BIGINT NOT NULL
);
INSERT INTO change_counter (id, value) VALUES (1, 0);

-- Ordered lists that later pages are read from.
CREATE TABLE page_pins (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    owner TEXT COLLATE "C" NOT NULL,
    query TEXT COLLATE "C" NOT NULL,
    length BIGINT NOT NULL,
    created BIGINT NOT NULL
);
CREATE INDEX page_pins_by_age ON page_pins (created);

-- The ids of a pinned list, a thousand to a row, one to a line.
CREATE TABLE page_pin_chunks (
    pin TEXT COLLATE "C" NOT NULL REFERENCES page_pins (id) ON DELETE CASCADE,
    chunk BIGINT NOT NULL,
    ids TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (pin, chunk)
);

-- What calls with a request id were answered, so that a repeated call is answered alike.
CREATE TABLE requests (
    tenant TEXT COLLATE "C" NOT NULL,
    method TEXT COLLATE "C" NOT NULL,
    request_id TEXT COLLATE "C" NOT NULL,
    fingerprint BYTEA NOT NULL,
    reply BYTEA NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (tenant, method, request_id)
);
CREATE INDEX requests_by_age ON requests (created);

-- Long work, claimed by lease and fencing number. Times are microseconds since 1970 in UTC.
CREATE TABLE work (
    queue TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    tenant TEXT COLLATE "C" NOT NULL,
    resource TEXT COLLATE "C" NOT NULL,
    priority BIGINT NOT NULL,
    phase TEXT COLLATE "C" NOT NULL
                     CHECK (phase IN ('queued', 'running', 'waiting', 'succeeded', 'failed', 'cancelled')),
    attempts BIGINT NOT NULL DEFAULT 0,
    max_attempts BIGINT NOT NULL,
    next_attempt BIGINT,
    lease_until BIGINT,
    fence BIGINT NOT NULL DEFAULT 0,
    progress DOUBLE PRECISION,
    counts TEXT COLLATE "C" NOT NULL DEFAULT '[]',
    error_reason TEXT COLLATE "C",
    error_message TEXT COLLATE "C",
    error_retryable BIGINT,
    created BIGINT NOT NULL,
    started BIGINT,
    ended BIGINT,
    cancel_requested BIGINT NOT NULL DEFAULT 0,
    input BYTEA NOT NULL,
    detail BYTEA NOT NULL,
    change BIGINT NOT NULL,
    PRIMARY KEY (queue, id)
);
CREATE INDEX work_open ON work (queue, priority DESC, created, id) WHERE phase IN ('queued', 'waiting', 'running');
CREATE INDEX work_by_change ON work (queue, change);
CREATE INDEX work_by_resource ON work (queue, tenant, resource, created);

-- Rows out of one text, as SQLite has it, so that statements are written once.
CREATE FUNCTION json_each(list text) RETURNS TABLE (value jsonb) LANGUAGE sql IMMUTABLE
    AS 'SELECT * FROM jsonb_array_elements(list::jsonb)';
