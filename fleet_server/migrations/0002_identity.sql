-- Who may sign in. Secrets are stored as hashes alone: passwords by argon2id, random tokens by SHA-256.

CREATE TABLE user_account (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL UNIQUE CHECK (name = lower(name) AND length(name) BETWEEN 1 AND 64),
    password_hash text NOT NULL,
    role text NOT NULL,
    scope ltree[] NOT NULL CHECK (cardinality(scope) > 0),
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled')),
    created_at timestamptz NOT NULL,
    password_changed_at timestamptz NOT NULL,
    last_sign_in_at timestamptz
);

CREATE TABLE user_session (
    hash bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
    user_id uuid NOT NULL REFERENCES user_account (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    used_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    address text NOT NULL,
    agent text NOT NULL
);
CREATE INDEX user_session_of_user ON user_session (user_id);

CREATE TABLE api_token (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    hash bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    user_id uuid NOT NULL REFERENCES user_account (id) ON DELETE CASCADE,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    permissions text[] NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    revoked_at timestamptz
);
CREATE INDEX api_token_of_user ON api_token (user_id, created_at);

-- Failed sign-ins by subject: 'user:<name>' or 'address:<address>'. In the database, because servers share it.
CREATE TABLE sign_in_failure (
    subject text PRIMARY KEY,
    count integer NOT NULL,
    last_at timestamptz NOT NULL,
    blocked_until timestamptz NOT NULL
);

-- One-time links for the first administrator.
CREATE TABLE set_up_link (
    hash bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);

GRANT SELECT, INSERT, UPDATE ON user_account, api_token TO hutong_web;
GRANT SELECT, INSERT, UPDATE, DELETE ON user_session, sign_in_failure TO hutong_web;
GRANT SELECT, UPDATE (used_at) ON set_up_link TO hutong_web;
