-- Who is about to name an object in a row, until a moment in microseconds since 1970 in UTC.
CREATE TABLE object_holds (
    key TEXT COLLATE "C" NOT NULL,
    holder TEXT COLLATE "C" NOT NULL,
    until BIGINT NOT NULL,
    PRIMARY KEY (key, holder)
);
CREATE INDEX object_holds_by_end ON object_holds (until);

-- Keys that were given up are never used again: which generation of the key an object gets from now on.
CREATE TABLE object_generations (
    key TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    generation BIGINT NOT NULL
);

-- Which mesh this is, to be told from others that would keep objects in the same place.
CREATE TABLE object_owner (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    id TEXT COLLATE "C" NOT NULL
);
