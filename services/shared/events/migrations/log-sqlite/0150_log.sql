-- One stream per service. The uid tells a stream from one that was made anew.
CREATE TABLE streams (
    service TEXT NOT NULL PRIMARY KEY,
    uid     TEXT NOT NULL,
    created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The events of all streams; positions rise in the order of publication.
CREATE TABLE log (
    position  INTEGER PRIMARY KEY AUTOINCREMENT,
    id        TEXT NOT NULL UNIQUE,
    service   TEXT NOT NULL,
    thing     TEXT NOT NULL,
    envelope  BLOB NOT NULL,
    published INTEGER NOT NULL
) STRICT;
CREATE INDEX log_thing ON log (thing, position);
CREATE INDEX log_service ON log (service, position);

-- How far each consumer is: all up to `position` is acknowledged, except what `pending` lists.
CREATE TABLE consumers (
    name     TEXT NOT NULL PRIMARY KEY,
    position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE pending (
    consumer TEXT NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (consumer, position)
) STRICT, WITHOUT ROWID;
