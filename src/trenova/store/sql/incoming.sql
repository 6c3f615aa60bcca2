-- Where a batch's rows wait for their indexes. Created once for each connection, emptied by every commit.
CREATE TEMPORARY TABLE IF NOT EXISTS incoming (
    ordinal integer NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    actor_type text COLLATE "C" NOT NULL,
    actor_id text COLLATE "C" NOT NULL,
    action text COLLATE "C" NOT NULL,
    target_type text COLLATE "C" NOT NULL,
    target_id text COLLATE "C" NOT NULL,
    outcome text COLLATE "C" NOT NULL,
    salt bytea NOT NULL,
    commitment bytea NOT NULL,
    body bytea NOT NULL
) ON COMMIT DELETE ROWS
