-- From when a row may be claimed: 0 is now, null never (it has ended), else microseconds since 1970 in UTC: the next
-- attempt of what waits, the end of the lease of what runs. Whoever claims sets to 0 first what has come due.
ALTER TABLE work ADD COLUMN due INTEGER;
UPDATE work SET due = CASE WHEN phase = 'running' THEN coalesce(lease_until, 0) ELSE coalesce(next_attempt, 0) END
    WHERE phase IN ('queued', 'waiting', 'running');

DROP INDEX work_open;
CREATE INDEX work_claimable ON work (queue, tenant, priority DESC, created, id) WHERE due = 0;
CREATE INDEX work_later ON work (queue, due) WHERE due > 0;
CREATE INDEX work_running ON work (queue, tenant, due) WHERE phase = 'running';

-- When a tenant's work was claimed last, told by its change number, so that tenants take turns.
CREATE TABLE work_turns (
    queue  TEXT    NOT NULL,
    tenant TEXT    NOT NULL,
    served INTEGER NOT NULL,
    PRIMARY KEY (queue, tenant)
);
