-- Which of several relays publishes the outbox. The fence rises each time that the holder changes.
CREATE TABLE relay_leases (
    service TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    holder TEXT COLLATE "C" NOT NULL,
    fence BIGINT NOT NULL,
    expires BIGINT NOT NULL
);

-- The last event of each key that was published and is kept no longer. An alarm names it when the stream loses it.
CREATE TABLE outbox_pruned (
    thing TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    last_sequence BIGINT NOT NULL,
    stream_position BIGINT NOT NULL,
    PRIMARY KEY (thing, key)
);
CREATE INDEX outbox_pruned_position ON outbox_pruned (stream_position);

-- The last row of each time that rows were pruned, by which a stream is compared that is older than all that is kept.
CREATE TABLE outbox_anchors (
    stream_position BIGINT PRIMARY KEY,
    id TEXT COLLATE "C" NOT NULL
);

-- Sent rows are looked for, and pruned, in the order of the stream.
CREATE INDEX outbox_stream ON outbox (stream_position) WHERE stream_position IS NOT NULL;
DROP INDEX outbox_sent;
DROP INDEX outbox_key;
