-- The gateways of this mesh, which share its limits among them. A gateway whose beat stands still is gone.
CREATE TABLE gateways (
    id   TEXT COLLATE "C"   NOT NULL PRIMARY KEY,
    -- Counted up by the gateway itself, every few seconds. Others watch it change, so that no two clocks are compared.
    beat BIGINT NOT NULL
);
