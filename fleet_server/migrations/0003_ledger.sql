-- Gateways and devices. Whoever reads them sees what lies under the scope of the transaction, the owner's command line
-- and ingest excepted, each by a policy of its own. FORCE: the owner of the tables is bound by the policies too.

CREATE TABLE gateway (
    code text PRIMARY KEY,
    name text NOT NULL,
    division ltree NOT NULL,
    status text NOT NULL DEFAULT 'in-service' CHECK (status IN ('planned', 'in-service', 'out-of-service', 'retired')),
    enrolled_at timestamptz NOT NULL
);
CREATE INDEX gateway_division ON gateway USING gist (division);

-- AES-256-GCM under the key-encryption key, which is a file (docs/operations.md). The web role has no access at all.
CREATE TABLE gateway_key (
    gateway text NOT NULL REFERENCES gateway (code),
    key_id bytea NOT NULL,
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL,
    retires_at timestamptz,
    PRIMARY KEY (gateway, key_id)
);

-- `pinned` names the fields that a person set: a birth does not change them any more.
CREATE TABLE device (
    code text PRIMARY KEY,
    gateway text NOT NULL REFERENCES gateway (code),
    name text NOT NULL,
    model text NOT NULL,
    division ltree NOT NULL,
    mount text,
    cell_level smallint CHECK (cell_level BETWEEN 0 AND 32),
    cell numeric(20) CHECK (cell BETWEEN 0 AND 18446744073709551615),
    lat double precision,
    lon double precision,
    status text NOT NULL DEFAULT 'in-service' CHECK (status IN ('planned', 'in-service', 'out-of-service', 'retired')),
    pinned text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CHECK ((cell IS NULL) = (cell_level IS NULL))
);
CREATE INDEX device_gateway ON device (gateway, code);
CREATE INDEX device_division ON device USING gist (division);

ALTER TABLE gateway ENABLE ROW LEVEL SECURITY;
ALTER TABLE gateway FORCE ROW LEVEL SECURITY;
ALTER TABLE gateway_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE gateway_key FORCE ROW LEVEL SECURITY;
ALTER TABLE device ENABLE ROW LEVEL SECURITY;
ALTER TABLE device FORCE ROW LEVEL SECURITY;

-- The sub-select is computed once a statement, not once a row.
CREATE POLICY in_scope ON gateway TO hutong_web
    USING (division <@ ANY ((SELECT hutong_scope())::ltree[]))
    WITH CHECK (division <@ ANY ((SELECT hutong_scope())::ltree[]));
CREATE POLICY in_scope ON device TO hutong_web
    USING (division <@ ANY ((SELECT hutong_scope())::ltree[]))
    WITH CHECK (division <@ ANY ((SELECT hutong_scope())::ltree[]));
CREATE POLICY ingest ON gateway FOR SELECT TO hutong_ingest USING (true);
CREATE POLICY ingest ON gateway_key FOR SELECT TO hutong_ingest USING (true);
CREATE POLICY command_line ON gateway TO CURRENT_USER USING (true) WITH CHECK (true);
CREATE POLICY command_line ON gateway_key TO CURRENT_USER USING (true) WITH CHECK (true);
CREATE POLICY command_line ON device TO CURRENT_USER USING (true) WITH CHECK (true);

GRANT SELECT, UPDATE (name, division, status) ON gateway TO hutong_web;
GRANT SELECT, INSERT, UPDATE ON device TO hutong_web;
GRANT SELECT (code, status) ON gateway TO hutong_ingest;
GRANT SELECT ON gateway_key TO hutong_ingest;
