-- How many attempts in a row ended without a word from their worker: it was killed, or its store was away.
ALTER TABLE work ADD COLUMN lost BIGINT NOT NULL DEFAULT 0;
