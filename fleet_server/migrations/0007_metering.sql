-- What people recorded of replaced meters, and the meters to look at.

-- Append-only: a correction or withdrawal is a further version of the same id, and the newest one counts. The readings
-- are in the channel's unit, exactly as they were written. Nobody may change or delete a row.
CREATE TABLE meter_replacement (
    row bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    device text NOT NULL,
    channel text NOT NULL,
    at timestamptz NOT NULL,
    end_reading numeric NOT NULL CHECK (end_reading >= 0),      -- of the meter that went
    start_reading numeric NOT NULL CHECK (start_reading >= 0),  -- of the one that came
    note text NOT NULL,
    removed_serial text NOT NULL,
    fitted_serial text NOT NULL,
    withdrawn boolean NOT NULL,
    principal text NOT NULL,
    principal_name text NOT NULL,
    recorded_at timestamptz NOT NULL,
    UNIQUE (id, version)
);
CREATE INDEX meter_replacement_device ON meter_replacement (device, channel, id, version DESC);

-- Made again from the readings and the replacements whenever a span is looked through.
CREATE TABLE meter_suspicion (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device text NOT NULL,
    channel text NOT NULL,
    way text NOT NULL CHECK (way IN ('fall', 'leap')),
    before_at timestamptz NOT NULL,
    before_reading numeric NOT NULL,
    after_at timestamptz NOT NULL,
    after_reading numeric NOT NULL,
    replacement uuid,  -- that the readings contradict
    found_at timestamptz NOT NULL,
    UNIQUE (device, channel, before_at, after_at)
);
CREATE INDEX meter_suspicion_device ON meter_suspicion (device, id);

-- Up to where each counter was looked through.
CREATE TABLE meter_watch (
    device text NOT NULL,
    channel text NOT NULL,
    at timestamptz NOT NULL,
    reading numeric NOT NULL,
    PRIMARY KEY (device, channel)
);

GRANT SELECT, INSERT ON meter_replacement TO hutong_web;
GRANT SELECT, INSERT, UPDATE, DELETE ON meter_suspicion TO hutong_web;
GRANT SELECT, INSERT, UPDATE ON meter_watch TO hutong_web;
GRANT SELECT ON meter_replacement TO hutong_auditor;
