-- Times are microseconds since 1970 in UTC. Tokens and keys are kept as keyed hashes (HMAC-SHA-256) alone.
CREATE TABLE tenants (
    id       TEXT    NOT NULL PRIMARY KEY,
    title    TEXT    NOT NULL,
    disabled INTEGER NOT NULL DEFAULT 0,
    created  INTEGER NOT NULL
);

CREATE TABLE users (
    tenant   TEXT    NOT NULL REFERENCES tenants (id),
    id       TEXT    NOT NULL,
    title    TEXT    NOT NULL,
    -- Words of `admin publisher reader operator`, with blanks between.
    roles    TEXT    NOT NULL,
    disabled INTEGER NOT NULL DEFAULT 0,
    -- Argon2id in the PHC form. None: only API keys speak for the user.
    password TEXT,
    created  INTEGER NOT NULL,
    PRIMARY KEY (tenant, id)
);

CREATE TABLE api_keys (
    id      TEXT    NOT NULL PRIMARY KEY,
    tenant  TEXT    NOT NULL,
    user    TEXT    NOT NULL,
    title   TEXT    NOT NULL,
    -- None: those of the user, as they change.
    roles   TEXT,
    hash    BLOB    NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER,
    revoked INTEGER,
    FOREIGN KEY (tenant, user) REFERENCES users (tenant, id)
);
CREATE INDEX api_keys_by_user ON api_keys (tenant, user, created);

CREATE TABLE sessions (
    id      TEXT    NOT NULL PRIMARY KEY,
    tenant  TEXT    NOT NULL,
    user    TEXT    NOT NULL,
    created INTEGER NOT NULL,
    -- When its last refresh token ends.
    expires INTEGER NOT NULL,
    -- When it was ended before that, by logout, a new password, or a refresh token used twice.
    ended   INTEGER,
    FOREIGN KEY (tenant, user) REFERENCES users (tenant, id)
);
CREATE INDEX sessions_by_user ON sessions (tenant, user);
CREATE INDEX sessions_by_end ON sessions (expires);

CREATE TABLE access_tokens (
    hash    BLOB    NOT NULL PRIMARY KEY,
    session TEXT    NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    expires INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX access_tokens_by_end ON access_tokens (expires);
CREATE INDEX access_tokens_by_session ON access_tokens (session);

-- A used token stays until its session goes, so that its second use is noticed.
CREATE TABLE refresh_tokens (
    hash    BLOB    NOT NULL PRIMARY KEY,
    session TEXT    NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    expires INTEGER NOT NULL,
    used    INTEGER
) WITHOUT ROWID;
CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session);
