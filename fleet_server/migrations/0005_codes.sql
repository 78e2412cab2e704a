-- City codes that were minted here. A serial is given once, and never again: the counter only rises.

CREATE TABLE code_serial (
    kind text NOT NULL,
    division text NOT NULL CHECK (division ~ '^[1-9][0-9]{5}$'),
    class text NOT NULL CHECK (class ~ '^[0-9]{4}$'),
    last integer NOT NULL CHECK (last BETWEEN 1 AND 999999),
    PRIMARY KEY (kind, division, class)
);

CREATE TABLE minted_code (
    code text PRIMARY KEY,
    principal text NOT NULL,
    purpose text NOT NULL,
    minted_at timestamptz NOT NULL
);

GRANT SELECT, INSERT, UPDATE (last) ON code_serial TO hutong_web;
GRANT SELECT, INSERT ON minted_code TO hutong_web;
GRANT SELECT ON code_serial, minted_code TO hutong_auditor;
