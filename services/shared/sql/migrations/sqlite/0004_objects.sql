-- Who is about to name an object in a row, until a moment in microseconds since 1970 in UTC.
CREATE TABLE object_holds (
    key    TEXT    NOT NULL,
    holder TEXT    NOT NULL,
    until  INTEGER NOT NULL,
    PRIMARY KEY (key, holder)
);
CREATE INDEX object_holds_by_end ON object_holds (until);

-- Keys that were given up are never used again: which generation of the key an object gets from now on.
CREATE TABLE object_generations (
    key        TEXT    NOT NULL PRIMARY KEY,
    generation INTEGER NOT NULL
);

-- Which mesh this is, to be told from others that would keep objects in the same place.
CREATE TABLE object_owner (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id  TEXT    NOT NULL
);
