-- Roles, the scope, events and audit: what every later migration stands on.
-- Roles are the cluster's: a deployment makes them with passwords beforehand (docs/operations.md); here they are
-- made without login when absent, which needs CREATEROLE. The owner runs the migrations and the command line alone.

CREATE EXTENSION IF NOT EXISTS ltree;
CREATE EXTENSION IF NOT EXISTS btree_gist;

DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['hutong_web', 'hutong_ingest', 'hutong_auditor'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;  -- another database of this cluster is being migrated at the same moment
            END;
        END IF;
    END LOOP;
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
END
$$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO hutong_web, hutong_ingest, hutong_auditor;
GRANT SELECT ON schema_migration TO hutong_web, hutong_ingest, hutong_auditor;

-- The division paths that the present transaction sees; none when nobody said whose eyes it has.
-- The setting comes back as '' on a pooled connection whose earlier transaction set it locally.
CREATE FUNCTION hutong_scope() RETURNS ltree[]
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN COALESCE(NULLIF(current_setting('hutong.scope', true), '')::ltree[], '{}'::ltree[]);

-- Events. `emit` writes outbox rows; the relay makes one delivery per subscriber, deletes it when its handler's
-- transaction commits, and parks it after too many tries.
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    type text NOT NULL,
    key text NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    fanned_out boolean NOT NULL DEFAULT false
);
CREATE INDEX outbox_fresh ON outbox (id) WHERE NOT fanned_out;

CREATE TABLE outbox_delivery (
    event bigint NOT NULL REFERENCES outbox (id),
    consumer text NOT NULL,
    key text NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL DEFAULT now(),
    error text NOT NULL DEFAULT '',
    PRIMARY KEY (consumer, event)
);
CREATE INDEX outbox_delivery_in_order ON outbox_delivery (consumer, key, event);
CREATE INDEX outbox_delivery_of_event ON outbox_delivery (event);

CREATE TABLE outbox_parked (
    event bigint NOT NULL REFERENCES outbox (id),
    consumer text NOT NULL,
    tries integer NOT NULL,
    error text NOT NULL,
    parked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, event)
);
CREATE INDEX outbox_parked_of_event ON outbox_parked (event);

GRANT SELECT, INSERT, UPDATE (fanned_out), DELETE ON outbox TO hutong_web;
GRANT SELECT, INSERT ON outbox TO hutong_ingest;  -- SELECT for RETURNING id
GRANT SELECT, INSERT, UPDATE, DELETE ON outbox_delivery, outbox_parked TO hutong_web;

-- Audit. Rows are only ever added; the sealer chains them behind the business transaction. `hash` of a seal is
-- SHA-256 over the previous hash and the row (fleet_server/kernel/audit.py); heads also go to a file outside.
CREATE TABLE audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    principal text NOT NULL,
    principal_name text NOT NULL,
    action text NOT NULL,
    object text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    database_role text NOT NULL DEFAULT current_user
);
CREATE INDEX audit_object ON audit (object, id);

CREATE TABLE audit_unsealed (id bigint PRIMARY KEY REFERENCES audit (id));
CREATE TABLE audit_seal (
    position bigint PRIMARY KEY CHECK (position > 0),
    audit_id bigint NOT NULL UNIQUE REFERENCES audit (id),
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    sealed_at timestamptz NOT NULL DEFAULT now()
);

-- As the owner, so that no role can add a row that the sealer will not meet.
CREATE FUNCTION audit_queue_for_seal() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO audit_unsealed (id) VALUES (NEW.id);
    RETURN NULL;
END
$$;
CREATE TRIGGER audit_queued AFTER INSERT ON audit FOR EACH ROW EXECUTE FUNCTION audit_queue_for_seal();

CREATE FUNCTION audit_is_append_only() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'table % is append-only', TG_TABLE_NAME;
END
$$;
CREATE TRIGGER audit_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_seal_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_seal
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();

GRANT SELECT, INSERT (principal, principal_name, action, object, detail) ON audit TO hutong_web;
GRANT INSERT (principal, principal_name, action, object, detail) ON audit TO hutong_ingest;
GRANT SELECT, DELETE ON audit_unsealed TO hutong_web;
GRANT SELECT, INSERT (position, audit_id, hash) ON audit_seal TO hutong_web;
GRANT SELECT ON audit, audit_unsealed, audit_seal TO hutong_auditor;
