-- The last sequence given per thing and key; its row is locked until the transaction that takes the next one ends.
CREATE TABLE event_sequences (
    thing TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    last BIGINT NOT NULL,
    PRIMARY KEY (thing, key)
);

-- Events to publish, and those published that are kept in case the broker loses its tail.
CREATE TABLE outbox (
    position BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id TEXT COLLATE "C" NOT NULL UNIQUE,
    thing TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    sequence BIGINT NOT NULL,
    envelope BYTEA NOT NULL,
    created BIGINT NOT NULL,
    sent BIGINT,
    stream_position BIGINT
);
CREATE INDEX outbox_unsent ON outbox (position) WHERE sent IS NULL;
CREATE INDEX outbox_sent ON outbox (sent) WHERE sent IS NOT NULL;
CREATE INDEX outbox_key ON outbox (thing, key, sequence);

-- What the relay remembers of the stream that it publishes to.
CREATE TABLE relay_state (
    service TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    stream TEXT COLLATE "C" NOT NULL,
    last_position BIGINT NOT NULL,
    last_id TEXT COLLATE "C" NOT NULL,
    pruned_position BIGINT NOT NULL
);

-- The last sequence applied, per consumer, thing and key.
CREATE TABLE inbox (
    consumer TEXT COLLATE "C" NOT NULL,
    thing TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    last BIGINT NOT NULL,
    PRIMARY KEY (consumer, thing, key)
);

-- Failed tries of events that are still to be applied.
CREATE TABLE event_attempts (
    consumer TEXT COLLATE "C" NOT NULL,
    event TEXT COLLATE "C" NOT NULL,
    attempts BIGINT NOT NULL,
    next_attempt BIGINT NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    message TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (consumer, event)
);

-- Events given up. Each blocks its key until it is redriven or purged.
CREATE TABLE dead_letters (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    consumer TEXT COLLATE "C" NOT NULL,
    thing TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    sequence BIGINT NOT NULL,
    event TEXT COLLATE "C" NOT NULL,
    envelope BYTEA NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    message TEXT COLLATE "C" NOT NULL,
    attempts BIGINT NOT NULL,
    created BIGINT NOT NULL,
    redriven BIGINT NOT NULL,
    UNIQUE (consumer, thing, key)
);

-- Later events of a blocked key, in the order in which they will be applied.
CREATE TABLE parked_events (
    consumer TEXT COLLATE "C" NOT NULL,
    thing TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    sequence BIGINT NOT NULL,
    event TEXT COLLATE "C" NOT NULL,
    envelope BYTEA NOT NULL,
    parked BIGINT NOT NULL,
    PRIMARY KEY (consumer, thing, key, sequence)
);
