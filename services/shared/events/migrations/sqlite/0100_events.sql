-- The last sequence given per thing and key; its row is locked until the transaction that takes the next one ends.
CREATE TABLE event_sequences (
    thing TEXT NOT NULL,
    key   TEXT NOT NULL,
    last  INTEGER NOT NULL,
    PRIMARY KEY (thing, key)
) STRICT, WITHOUT ROWID;

-- Events to publish, and those published that are kept in case the broker loses its tail.
CREATE TABLE outbox (
    position        INTEGER PRIMARY KEY AUTOINCREMENT,
    id              TEXT NOT NULL UNIQUE,
    thing           TEXT NOT NULL,
    key             TEXT NOT NULL,
    sequence        INTEGER NOT NULL,
    envelope        BLOB NOT NULL,
    created         INTEGER NOT NULL,
    sent            INTEGER,
    stream_position INTEGER
) STRICT;
CREATE INDEX outbox_unsent ON outbox (position) WHERE sent IS NULL;
CREATE INDEX outbox_sent ON outbox (sent) WHERE sent IS NOT NULL;
CREATE INDEX outbox_key ON outbox (thing, key, sequence);

-- What the relay remembers of the stream that it publishes to.
CREATE TABLE relay_state (
    service         TEXT NOT NULL PRIMARY KEY,
    stream          TEXT NOT NULL,
    last_position   INTEGER NOT NULL,
    last_id         TEXT NOT NULL,
    pruned_position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The last sequence applied, per consumer, thing and key.
CREATE TABLE inbox (
    consumer TEXT NOT NULL,
    thing    TEXT NOT NULL,
    key      TEXT NOT NULL,
    last     INTEGER NOT NULL,
    PRIMARY KEY (consumer, thing, key)
) STRICT, WITHOUT ROWID;

-- Failed tries of events that are still to be applied.
CREATE TABLE event_attempts (
    consumer     TEXT NOT NULL,
    event        TEXT NOT NULL,
    attempts     INTEGER NOT NULL,
    next_attempt INTEGER NOT NULL,
    reason       TEXT NOT NULL,
    message      TEXT NOT NULL,
    PRIMARY KEY (consumer, event)
) STRICT, WITHOUT ROWID;

-- Events given up. Each blocks its key until it is redriven or purged.
CREATE TABLE dead_letters (
    id       TEXT NOT NULL PRIMARY KEY,
    consumer TEXT NOT NULL,
    thing    TEXT NOT NULL,
    key      TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    event    TEXT NOT NULL,
    envelope BLOB NOT NULL,
    reason   TEXT NOT NULL,
    message  TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    created  INTEGER NOT NULL,
    redriven INTEGER NOT NULL,
    UNIQUE (consumer, thing, key)
) STRICT, WITHOUT ROWID;

-- Later events of a blocked key, in the order in which they will be applied.
CREATE TABLE parked_events (
    consumer TEXT NOT NULL,
    thing    TEXT NOT NULL,
    key      TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    event    TEXT NOT NULL,
    envelope BLOB NOT NULL,
    parked   INTEGER NOT NULL,
    PRIMARY KEY (consumer, thing, key, sequence)
) STRICT, WITHOUT ROWID;
