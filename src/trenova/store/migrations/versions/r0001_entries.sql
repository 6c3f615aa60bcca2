-- Text is compared byte by byte (COLLATE "C"): the order never changes with an operating system's locale, and a prefix
-- search can use the index.

CREATE TABLE heads (
    tenant text COLLATE "C" PRIMARY KEY,
    size bigint NOT NULL DEFAULT 0 CHECK (size >= 0)
);
COMMENT ON TABLE heads IS 'One row a tenant. Whoever appends to a tenant''s log holds the lock on its row.';
COMMENT ON COLUMN heads.size IS 'Entries in the log, so the index of the next one.';

CREATE TABLE entries (
    tenant text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    index bigint NOT NULL CHECK (index >= 0),
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    actor_type text COLLATE "C" NOT NULL,
    actor_id text COLLATE "C" NOT NULL,
    action text COLLATE "C" NOT NULL,
    target_type text COLLATE "C" NOT NULL,
    target_id text COLLATE "C" NOT NULL,
    outcome text COLLATE "C" NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (tenant, id)
);
COMMENT ON COLUMN entries.index IS 'Position in the tenant''s log: from 0, without gaps.';
COMMENT ON COLUMN entries.body IS 'The exact canonical JSON. The other columns repeat parts of it to be searched.';

CREATE UNIQUE INDEX entries_by_index ON entries (tenant, index);
CREATE INDEX entries_by_time ON entries (tenant, occurred_at, id);
CREATE INDEX entries_by_time_anywhere ON entries (occurred_at, tenant, id);
CREATE INDEX entries_by_actor ON entries (tenant, actor_id, occurred_at, id);
CREATE INDEX entries_by_target ON entries (tenant, target_id, occurred_at, id);
CREATE INDEX entries_by_action ON entries (tenant, action, occurred_at, id);

CREATE TABLE batches (
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    tenant text COLLATE "C" NOT NULL,
    batch_id text COLLATE "C" NOT NULL,
    first_index bigint NOT NULL,
    stored integer NOT NULL CHECK (stored >= 0),
    duplicate integer NOT NULL CHECK (duplicate >= 0),
    stored_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (xid, tenant)
);
COMMENT ON TABLE batches IS 'What each committed append added to a tenant''s log: indexes first_index to first_index + stored - 1.';
COMMENT ON COLUMN batches.xid IS 'The appending transaction. Below a snapshot''s xmin nothing can still appear, so readers can follow without a gap.';

CREATE INDEX batches_by_id ON batches (batch_id);

CREATE TABLE api_keys (
    id text COLLATE "C" PRIMARY KEY,
    secret_hash bytea NOT NULL CHECK (octet_length(secret_hash) = 32),
    name text NOT NULL,
    tenant text COLLATE "C",
    role text NOT NULL CHECK (role IN ('writer', 'reader', 'admin')),
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);
COMMENT ON COLUMN api_keys.tenant IS 'NULL: any tenant.';

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the log is append-only: % on % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON batches
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON heads
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The role of the API and the worker. A login role is put into it: GRANT trenova_app TO some_login.
DO $$
BEGIN
    CREATE ROLE trenova_app NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL; -- roles belong to the whole server: another database of ours has made it
END
$$;
GRANT SELECT, INSERT ON entries, batches TO trenova_app;
GRANT SELECT, INSERT, UPDATE (size) ON heads TO trenova_app;
GRANT SELECT, INSERT, UPDATE (revoked_at) ON api_keys TO trenova_app;
GRANT SELECT ON schema_version TO trenova_app;
