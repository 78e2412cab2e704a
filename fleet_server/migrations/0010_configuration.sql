-- Gateways' configurations: what was desired or only checked, and what gateways reported that they run.

-- Its row is the lock under which a gateway's versions are numbered.
CREATE TABLE configuration_number (
    gateway text PRIMARY KEY,
    last bigint NOT NULL
);

-- `base` and `running` are hashes of contents, as gateways name them, in hexadecimal. `next_at` is when ingest looks at
-- it again; null: nothing is to be sent any more.
CREATE TABLE configuration_version (
    gateway text NOT NULL,
    number bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('desired', 'check', 'reported')),
    text text NOT NULL,
    base text,
    principal text NOT NULL,
    principal_name text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    trial_s integer NOT NULL,
    reverts bigint,
    status text NOT NULL CHECK (status IN ('waiting', 'sent', 'on-trial', 'applied', 'refused', 'conflict', 'returned',
                                           'expired', 'checked', 'superseded')),
    detail text NOT NULL DEFAULT '',
    lines text NOT NULL DEFAULT '',
    running text NOT NULL DEFAULT '',
    sends integer NOT NULL DEFAULT 0,
    sent_on bigint,
    sent_at timestamptz,
    next_at timestamptz,
    finished_at timestamptz,
    PRIMARY KEY (gateway, number)
);
CREATE INDEX configuration_due ON configuration_version (next_at) WHERE next_at IS NOT NULL;

GRANT SELECT, INSERT, UPDATE ON configuration_number TO hutong_web;
GRANT SELECT, INSERT, UPDATE, DELETE ON configuration_version TO hutong_web;
GRANT SELECT, UPDATE (status, detail, sends, sent_on, sent_at, next_at, finished_at) ON configuration_version
    TO hutong_ingest;
GRANT SELECT ON configuration_version TO hutong_auditor;
