-- Commands to devices. The web server issues them, ingest sends them, the relay applies their results.

-- Its row is the lock under which a gateway's commands are numbered.
CREATE TABLE command_number (
    gateway text PRIMARY KEY,
    last bigint NOT NULL
);

-- `next_at` is when ingest looks at it again: to send it (once more), or to give up; null: it is settled.
CREATE TABLE command (
    id uuid PRIMARY KEY,
    gateway text NOT NULL,
    incarnation numeric(20) NOT NULL,
    number bigint NOT NULL,
    device text NOT NULL,
    channel text NOT NULL,
    value numeric NOT NULL,
    principal text NOT NULL,
    principal_name text NOT NULL,
    issued_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > issued_at),
    status text NOT NULL DEFAULT 'queued'
        CHECK (status IN ('queued', 'sent', 'done', 'failed', 'refused', 'expired', 'unknown')),
    detail text NOT NULL DEFAULT '',
    readback numeric,
    sends smallint NOT NULL DEFAULT 0,
    next_at timestamptz,
    finished_at timestamptz,
    UNIQUE (gateway, number)
);
CREATE INDEX command_due ON command (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX command_device ON command (device, issued_at, number);
CREATE INDEX command_open ON command (gateway) WHERE next_at IS NOT NULL;

GRANT SELECT, INSERT, UPDATE ON command, command_number TO hutong_web;
GRANT SELECT, UPDATE (status, detail, sends, next_at, finished_at) ON command TO hutong_ingest;
GRANT SELECT ON command TO hutong_auditor;
