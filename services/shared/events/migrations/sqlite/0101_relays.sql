-- Which of several relays publishes the outbox. The fence rises each time that the holder changes.
CREATE TABLE relay_leases (
    service TEXT NOT NULL PRIMARY KEY,
    holder  TEXT NOT NULL,
    fence   INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The last event of each key that was published and is kept no longer. An alarm names it when the stream loses it.
CREATE TABLE outbox_pruned (
    thing           TEXT NOT NULL,
    key             TEXT NOT NULL,
    last_sequence   INTEGER NOT NULL,
    stream_position INTEGER NOT NULL,
    PRIMARY KEY (thing, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_pruned_position ON outbox_pruned (stream_position);

-- The last row of each time that rows were pruned, by which a stream is compared that is older than all that is kept.
CREATE TABLE outbox_anchors (
    stream_position INTEGER PRIMARY KEY,
    id              TEXT NOT NULL
) STRICT;

-- Sent rows are looked for, and pruned, in the order of the stream.
CREATE INDEX outbox_stream ON outbox (stream_position) WHERE stream_position IS NOT NULL;
DROP INDEX outbox_sent;
DROP INDEX outbox_key;
