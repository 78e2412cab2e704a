-- What rules captured of a device around the moment at which they fired. Ingest writes, the telemetry domain reads.

-- A capture of one device: `name` is the gateway's, in the event as well. `t0` is UTC in us, the origin of the parts'
-- times; where the clock was not set (0) it is the gateway's wrong one, until a clock_fix of the same boot tells the
-- true one. `fired` and `period` are us, `fired` after t0. Only the gateway that owns the stream may write to it.
CREATE TABLE capture (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id bigint NOT NULL REFERENCES stream_device (id),
    name bytea NOT NULL CHECK (octet_length(name) = 16),
    gateway text NOT NULL,
    boot bytea NOT NULL,
    boottime_ms bigint NOT NULL,  -- CLOCK_BOOTTIME at t0
    clock smallint NOT NULL,
    t0 bigint NOT NULL,
    rule text NOT NULL,
    fired bigint NOT NULL,
    period bigint NOT NULL,
    parts smallint NOT NULL,
    received_at timestamptz NOT NULL,
    UNIQUE (device_id, name)
);
CREATE INDEX capture_device ON capture (device_id, id);

-- One burst. The body is that of a chunk (0004), its times us after the capture's t0. No unique index, as for chunks:
-- exactly once is the cursor's affair.
CREATE TABLE capture_part (
    capture_id bigint NOT NULL REFERENCES capture (id),
    part smallint NOT NULL,
    ending smallint NOT NULL,
    incarnation_id bigint NOT NULL,
    seq bigint NOT NULL,
    readings integer NOT NULL,
    body bytea NOT NULL
);
ALTER TABLE capture_part ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX capture_part_capture ON capture_part (capture_id, part);

GRANT SELECT, INSERT ON capture, capture_part TO hutong_ingest;
GRANT SELECT ON capture, capture_part TO hutong_web;
