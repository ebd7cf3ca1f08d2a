-- Times are microseconds since 1970 in UTC. Tokens and keys are kept as keyed hashes (HMAC-SHA-256) alone.
CREATE TABLE tenants (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    title TEXT COLLATE "C" NOT NULL,
    disabled BIGINT NOT NULL DEFAULT 0,
    created BIGINT NOT NULL
);

CREATE TABLE users (
    tenant TEXT COLLATE "C" NOT NULL REFERENCES tenants (id),
    id TEXT COLLATE "C" NOT NULL,
    title TEXT COLLATE "C" NOT NULL,
    -- Words of `admin publisher reader operator`, with blanks between.
    roles TEXT COLLATE "C" NOT NULL,
    disabled BIGINT NOT NULL DEFAULT 0,
    -- Argon2id in the PHC form. None: only API keys speak for the user.
    password TEXT COLLATE "C",
    created BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);

CREATE TABLE api_keys (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    "user" TEXT COLLATE "C" NOT NULL,
    title TEXT COLLATE "C" NOT NULL,
    -- None: those of the user, as they change.
    roles TEXT COLLATE "C",
    hash BYTEA NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT,
    revoked BIGINT,
    FOREIGN KEY (tenant, "user") REFERENCES users (tenant, id)
);
CREATE INDEX api_keys_by_user ON api_keys (tenant, "user", created);

CREATE TABLE sessions (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    "user" TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    -- When its last refresh token ends.
    expires BIGINT NOT NULL,
    -- When it was ended before that, by logout, a new password, or a refresh token used twice.
    ended BIGINT,
    FOREIGN KEY (tenant, "user") REFERENCES users (tenant, id)
);
CREATE INDEX sessions_by_user ON sessions (tenant, "user");
CREATE INDEX sessions_by_end ON sessions (expires);

CREATE TABLE access_tokens (
    hash BYTEA NOT NULL PRIMARY KEY,
    session TEXT COLLATE "C" NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    expires BIGINT NOT NULL
);
CREATE INDEX access_tokens_by_end ON access_tokens (expires);
CREATE INDEX access_tokens_by_session ON access_tokens (session);

-- A used token stays until its session goes, so that its second use is noticed.
CREATE TABLE refresh_tokens (
    hash BYTEA NOT NULL PRIMARY KEY,
    session TEXT COLLATE "C" NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    expires BIGINT NOT NULL,
    used BIGINT
);
CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session);
