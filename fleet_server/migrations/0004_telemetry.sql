-- Telemetry. Ingest writes, the telemetry domain reads and mends. Times of rows are timestamptz; times inside arrays are
-- UTC in ms. An array's place n is the channel of index n of its device (stream_device.channels), counted from 0.

-- Descriptions by content hash, and which gateway may use which.
CREATE TABLE birth (
    hash bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
    description bytea NOT NULL
);
CREATE TABLE gateway_birth (
    gateway text NOT NULL,
    hash bytea NOT NULL REFERENCES birth (hash),
    first_seen timestamptz NOT NULL,
    PRIMARY KEY (gateway, hash)
);

-- A device as the store knows it. `channels` is a list in order of index: an index, once given, keeps its name; what a
-- newer birth no longer has stays in the list as {"gone": true}. Only the gateway that owns the stream may write to it.
CREATE TABLE stream_device (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code text NOT NULL UNIQUE,
    gateway text NOT NULL,
    channels jsonb NOT NULL DEFAULT '[]'
);
CREATE INDEX stream_device_gateway ON stream_device (gateway);

-- The cursor: what has been received of one life of a spool, and so what has not. Locked before anything is stored.
CREATE TABLE gateway_incarnation (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    gateway text NOT NULL,
    incarnation numeric(20) NOT NULL,
    first_seen timestamptz NOT NULL,
    last_seen timestamptz NOT NULL,
    received int8multirange NOT NULL DEFAULT '{}',
    dropped jsonb NOT NULL DEFAULT '{}',   -- {"quota": [[first, last], ...], ...}
    first_kept bigint NOT NULL DEFAULT 1,
    next_seq bigint NOT NULL DEFAULT 1,
    stored bigint NOT NULL DEFAULT 0,
    repeats bigint NOT NULL DEFAULT 0,
    forks bigint NOT NULL DEFAULT 0,
    quarantined bigint NOT NULL DEFAULT 0,
    UNIQUE (gateway, incarnation)
);

-- The first 8 bytes of SHA-256 of each received message, 128 to a page: they tell a repeat from a fork.
CREATE TABLE seq_digest (
    incarnation_id bigint NOT NULL REFERENCES gateway_incarnation (id),
    page bigint NOT NULL,
    digests bytea NOT NULL CHECK (octet_length(digests) = 1024),
    PRIMARY KEY (incarnation_id, page)
) WITH (fillfactor = 50);

CREATE TABLE gateway_state (
    gateway text PRIMARY KEY,
    incarnation_id bigint NOT NULL REFERENCES gateway_incarnation (id),
    connection bigint NOT NULL,
    number bigint NOT NULL,
    online boolean NOT NULL,
    since timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    state jsonb NOT NULL
);

-- Readings. A chunk lies within one hour of source time, so that an hour can be read, rebuilt and compacted alone. No
-- unique index: exactly once is the cursor's affair. `seq` is null once an hour's chunks have been merged into one.
CREATE TABLE chunk (
    device_id bigint NOT NULL,
    t0 timestamptz NOT NULL,
    t1 timestamptz NOT NULL,
    incarnation_id bigint,
    seq bigint,
    clock smallint NOT NULL,
    readings integer NOT NULL,
    body bytea NOT NULL
) PARTITION BY RANGE (t0);
-- Compressed bytes would only be unpacked again: an hourly mean of 10 M values took 283 ms compressed, 133 ms so.
ALTER TABLE chunk ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX chunk_device ON chunk (device_id, t0);

-- Makes the partition of a day (UTC). ATTACH, unlike CREATE ... PARTITION OF, does not wait for running transactions.
CREATE FUNCTION chunk_partition(day date) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    name text := 'chunk_' || to_char(day, 'YYYYMMDD');
BEGIN
    IF day NOT BETWEEN DATE '2000-01-01' AND DATE '2200-01-01' THEN
        RAISE EXCEPTION 'no partition for %', day USING ERRCODE = 'datetime_field_overflow';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('chunk_partition'));
    IF to_regclass(name) IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE chunk INCLUDING STORAGE INCLUDING INDEXES)', name);
    EXECUTE format('ALTER TABLE chunk ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                   name, day::timestamptz, (day + 1)::timestamptz);
END
$$;
REVOKE EXECUTE ON FUNCTION chunk_partition(date) FROM PUBLIC;

-- What was taken before the gateway's clock was set, until a clock-fix of the same boot gives it a date. Body and
-- readings as in `chunk`; `t0` is the gateway's wrong UTC, true is utc_ms + (boottime_ms here - boottime_ms there).
CREATE TABLE undated_chunk (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id bigint NOT NULL,
    gateway text NOT NULL,
    boot bytea NOT NULL,
    boottime_ms bigint NOT NULL,  -- CLOCK_BOOTTIME at t0
    t0 bigint NOT NULL,
    incarnation_id bigint NOT NULL,
    seq bigint NOT NULL,
    readings integer NOT NULL,
    body bytea NOT NULL
);
ALTER TABLE undated_chunk ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX undated_chunk_boot ON undated_chunk (gateway, boot);

CREATE TABLE clock_fix (
    gateway text NOT NULL,
    boot bytea NOT NULL CHECK (octet_length(boot) = 16),
    boottime_ms bigint NOT NULL,
    utc_ms bigint NOT NULL,
    bound_ms bigint,
    PRIMARY KEY (gateway, boot)
);

-- One row a device: its newest reading by channel, Bad ones too. A decimal value is mantissa * 10^scale exactly.
CREATE TABLE last_value (
    device_id bigint PRIMARY KEY REFERENCES stream_device (id),
    at bigint[] NOT NULL,
    value float8[] NOT NULL,
    mantissa bigint[] NOT NULL,
    scale smallint[] NOT NULL,
    quality integer[] NOT NULL
) WITH (fillfactor = 50, toast_tuple_target = 8160);

-- Over the readings that are not Bad; `bad` counts the others. Merged in the transaction that stores the chunk.
CREATE TABLE rollup_minute (
    device_id bigint NOT NULL,
    bucket timestamptz NOT NULL,
    n integer[] NOT NULL,
    sum float8[] NOT NULL,
    low float8[] NOT NULL,
    high float8[] NOT NULL,
    last_at bigint[] NOT NULL,
    last float8[] NOT NULL,
    mantissa bigint[] NOT NULL,
    scale smallint[] NOT NULL,
    bad integer[] NOT NULL,
    PRIMARY KEY (device_id, bucket)
) WITH (fillfactor = 70, toast_tuple_target = 8160);
-- An hour is `loose` while chunks of it may lie unmerged. Its row is also the lock that a rebuild and ingest share.
CREATE TABLE rollup_hour (
    LIKE rollup_minute,
    loose boolean NOT NULL DEFAULT true,
    PRIMARY KEY (device_id, bucket)
) WITH (fillfactor = 70, toast_tuple_target = 8160);
CREATE INDEX rollup_hour_loose ON rollup_hour (bucket) WHERE loose;

-- Hours whose roll-ups no longer say what the chunks say.
CREATE TABLE dirty_bucket (
    device_id bigint NOT NULL,
    bucket timestamptz NOT NULL,
    PRIMARY KEY (device_id, bucket)
);

CREATE TABLE gateway_event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    gateway text NOT NULL,
    incarnation_id bigint NOT NULL,
    seq bigint NOT NULL,
    kind text NOT NULL,
    source text NOT NULL,
    t timestamptz NOT NULL,
    clock smallint NOT NULL,
    severity smallint NOT NULL,
    data jsonb NOT NULL,
    received_at timestamptz NOT NULL
);
CREATE INDEX gateway_event_source ON gateway_event (source, t);
CREATE INDEX gateway_event_gateway ON gateway_event (gateway, t);

-- Messages that were refused. `authentic` ones are whole: the gateway was told that they are kept here. Of the others,
-- which anybody who reaches the broker can send, a sample of heads is kept.
CREATE TABLE quarantine (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at timestamptz NOT NULL,
    gateway text NOT NULL,
    topic text NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    size integer NOT NULL,
    authentic boolean NOT NULL,
    incarnation_id bigint,
    seq bigint,
    body bytea NOT NULL
);
ALTER TABLE quarantine ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX quarantine_kept ON quarantine (gateway) INCLUDE (size) WHERE authentic;
CREATE INDEX quarantine_samples ON quarantine (id) WHERE NOT authentic;

-- What ingest processes counted, every few seconds, and since the beginning.
CREATE TABLE ingest_rate (
    process uuid NOT NULL,
    at timestamptz NOT NULL,
    seconds float8 NOT NULL,
    batches bigint NOT NULL,
    readings bigint NOT NULL,
    PRIMARY KEY (at, process)
);
CREATE TABLE ingest_count (
    name text PRIMARY KEY,
    count bigint NOT NULL
);

GRANT SELECT, INSERT ON birth, gateway_birth, gateway_event, chunk, undated_chunk, quarantine TO hutong_ingest;
GRANT SELECT, INSERT, UPDATE ON stream_device, gateway_incarnation, gateway_state, clock_fix, last_value,
    rollup_minute, rollup_hour, ingest_count TO hutong_ingest;
GRANT SELECT, INSERT, UPDATE, DELETE ON seq_digest TO hutong_ingest;
GRANT SELECT, INSERT, UPDATE, DELETE ON ingest_rate TO hutong_ingest;
GRANT SELECT ON birth, gateway_birth, stream_device, gateway_incarnation, gateway_state, gateway_event, clock_fix,
    ingest_rate, ingest_count TO hutong_web;
GRANT SELECT, INSERT, DELETE ON chunk, dirty_bucket TO hutong_web;
GRANT SELECT, UPDATE, DELETE ON undated_chunk, quarantine TO hutong_web;  -- UPDATE to lock rows
GRANT UPDATE ON chunk, dirty_bucket TO hutong_web;
GRANT SELECT, INSERT, UPDATE, DELETE ON rollup_minute, rollup_hour, last_value TO hutong_web;
GRANT EXECUTE ON FUNCTION chunk_partition(date) TO hutong_web, hutong_ingest;
GRANT SELECT ON gateway_incarnation, quarantine, ingest_count TO hutong_auditor;
