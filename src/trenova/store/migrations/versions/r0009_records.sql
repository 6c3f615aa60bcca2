-- What the database itself has to say in the logs: API keys that were made and revoked, dead letters that were edited,
-- policies and holds. Each row is written in the transaction of the change. Only workers can sign, so a worker appends
-- the entry: in the transaction that sets appended_at.
CREATE TABLE system_records (
    tenant text COLLATE "C" NOT NULL,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    action text COLLATE "C" NOT NULL,
    actor_type text NOT NULL,
    actor_id text NOT NULL,
    target_type text NOT NULL,
    target_id text COLLATE "C" NOT NULL,
    target_name text,
    metadata jsonb,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    appended_at timestamptz,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX system_records_pending ON system_records (tenant, made_at, id) WHERE appended_at IS NULL;
CREATE INDEX system_records_by_target ON system_records (target_id, action);
COMMENT ON TABLE system_records IS 'Changes beside the logs, each told by an entry of the same tenant and id, which retention never removes.';
COMMENT ON COLUMN system_records.tenant IS 'The tenant whose log tells of it; _trenova for what concerns all tenants.';
COMMENT ON COLUMN system_records.appended_at IS 'NULL until the entry is in the log.';

CREATE FUNCTION guard_record() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (
        OLD.appended_at IS NOT NULL OR NEW.appended_at IS NULL
        OR (NEW.tenant, NEW.id, NEW.action, NEW.actor_type, NEW.actor_id, NEW.target_type, NEW.target_id,
            NEW.target_name, NEW.metadata, NEW.made_at)
            IS DISTINCT FROM (OLD.tenant, OLD.id, OLD.action, OLD.actor_type, OLD.actor_id, OLD.target_type,
            OLD.target_id, OLD.target_name, OLD.metadata, OLD.made_at)
    ) THEN
        RAISE EXCEPTION 'the log is append-only: UPDATE on system_records is refused'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF NEW.appended_at IS NOT NULL THEN
        IF NOT EXISTS (
            SELECT FROM entries AS e WHERE e.tenant = NEW.tenant AND e.id = NEW.id AND e.action = NEW.action
        ) THEN
            RAISE EXCEPTION 'a record of the log of % without its entry % is refused', NEW.tenant, NEW.id
                USING ERRCODE = 'insufficient_privilege';
        END IF;
        NEW.appended_at := clock_timestamp();
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER only_appended BEFORE INSERT OR UPDATE ON system_records FOR EACH ROW EXECUTE FUNCTION guard_record();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON system_records
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What earlier releases have appended about policies and holds: by the name of its batch, which no client can choose.
INSERT INTO system_records (
    tenant, id, action, actor_type, actor_id, target_type, target_id, made_at, appended_at
)
SELECT e.tenant, e.id, e.action, e.actor_type, e.actor_id, e.target_type, e.target_id, e.occurred_at, b.stored_at
FROM batches AS b
JOIN entries AS e ON e.tenant = b.tenant AND e.index = b.first_index
WHERE b.batch_id >= 'retention-' AND b.batch_id < 'retention.' AND b.stored = 1
    AND b.batch_id = 'retention-' || e.id
    AND e.action IN ('retention.set', 'retention.unset', 'hold.place', 'hold.release');

-- A key is made, and revoked once. Nothing else of it ever changes.
ALTER TABLE api_keys ADD COLUMN fingerprint bytea GENERATED ALWAYS AS (sha256(secret_hash)) STORED;
COMMENT ON COLUMN api_keys.fingerprint IS 'Of secret_hash: what the log has of it, so that another secret in its place is found.';
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON api_keys
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER only_revoked BEFORE UPDATE ON api_keys FOR EACH ROW
    WHEN (
        OLD.revoked_at IS NOT NULL OR NEW.revoked_at IS NULL
        OR (NEW.id, NEW.secret_hash, NEW.name, NEW.tenant, NEW.role, NEW.created_at)
            IS DISTINCT FROM (OLD.id, OLD.secret_hash, OLD.name, OLD.tenant, OLD.role, OLD.created_at)
    )
    EXECUTE FUNCTION refuse_change();

INSERT INTO system_records (tenant, action, actor_type, actor_id, target_type, target_id, target_name, metadata)
SELECT '_trenova', 'api_key.baseline', 'system', 'trenova-migrate', 'api_key', k.id, nullif(left(k.name, 1024), ''),
    jsonb_strip_nulls(jsonb_build_object(
        'role', k.role, 'tenant', k.tenant, 'fingerprint', encode(sha256(k.secret_hash), 'hex'),
        'created_at', k.created_at, 'revoked_at', k.revoked_at
    ))
FROM api_keys AS k;

-- Looked at when the transaction commits, so that neither the change nor its record is there without the other.
CREATE FUNCTION refuse_unrecorded_key() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    needed CONSTANT text := CASE WHEN NEW.revoked_at IS NULL THEN 'api_key.create' ELSE 'api_key.revoke' END;
BEGIN
    IF NOT EXISTS (
        SELECT FROM system_records AS r
        WHERE r.tenant = '_trenova' AND r.target_type = 'api_key' AND r.target_id = NEW.id AND r.action = needed
    ) THEN
        RAISE EXCEPTION 'a change of the API key % without a record % is refused', NEW.id, needed
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER recorded AFTER INSERT OR UPDATE ON api_keys DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION refuse_unrecorded_key();

-- The keys among these whose secret has this hash and that are not revoked. No hash leaves the table that was not
-- asked with. Who learned one, from how long comparing takes, would not have the secret, which has 256 random bits.
CREATE FUNCTION find_api_keys(ids text[], hashes bytea[])
RETURNS TABLE (id text, hash bytea, name text, tenant text, role text, created_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT k.id, asked.hash, k.name, k.tenant, k.role, k.created_at
    FROM unnest(ids, hashes) AS asked (id, hash)
    JOIN api_keys AS k ON k.id = asked.id
    WHERE k.secret_hash = asked.hash AND k.revoked_at IS NULL;
END
$$;

CREATE FUNCTION create_api_key(
    key_id text, hash bytea, key_name text, of_tenant text, key_role text, made_by text
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO api_keys (id, secret_hash, name, tenant, role) VALUES (key_id, hash, key_name, of_tenant, key_role);
    INSERT INTO system_records (tenant, action, actor_type, actor_id, target_type, target_id, target_name, metadata)
    VALUES (
        '_trenova', 'api_key.create', 'user', made_by, 'api_key', key_id, nullif(left(key_name, 1024), ''),
        jsonb_strip_nulls(jsonb_build_object(
            'role', key_role, 'tenant', of_tenant, 'fingerprint', encode(sha256(hash), 'hex'), 'login', session_user
        ))
    );
END
$$;

-- Gives the id, or NULL where there is no such key. Revoking twice keeps the first time, and leaves no second record.
CREATE FUNCTION revoke_api_key(key_id text, revoked_by text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    UPDATE api_keys AS k SET revoked_at = now() WHERE k.id = key_id AND k.revoked_at IS NULL;
    IF FOUND THEN
        INSERT INTO system_records (tenant, action, actor_type, actor_id, target_type, target_id, target_name, metadata)
        SELECT '_trenova', 'api_key.revoke', 'user', revoked_by, 'api_key', k.id, nullif(left(k.name, 1024), ''),
            jsonb_build_object('login', session_user)
        FROM api_keys AS k WHERE k.id = key_id;
    END IF;
    RETURN (SELECT k.id FROM api_keys AS k WHERE k.id = key_id);
END
$$;

-- A dead letter is edited with a record of it, and is settled by an entry that is in the log. Then it stays as it is.
CREATE FUNCTION guard_letter() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.stored_at IS NOT NULL
        OR (NEW.id, NEW.batch_id, NEW.ordinal, NEW.parked_at)
            IS DISTINCT FROM (OLD.id, OLD.batch_id, OLD.ordinal, OLD.parked_at)
        OR (OLD.tenant IS NOT NULL AND NEW.tenant IS DISTINCT FROM OLD.tenant)
    THEN
        RAISE EXCEPTION 'the log is append-only: UPDATE on dead_letters is refused'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF NEW.stored_at IS NOT NULL THEN
        IF NEW.edited_by IS DISTINCT FROM OLD.edited_by OR NOT EXISTS (
            SELECT FROM entries AS e WHERE e.tenant = NEW.tenant AND e.id = coalesce(OLD.entry_id, NEW.entry_id)
        ) THEN
            RAISE EXCEPTION 'settling the dead letter % without its entry in the log is refused', NEW.id
                USING ERRCODE = 'insufficient_privilege';
        END IF;
        NEW.entry_id := coalesce(OLD.entry_id, NEW.entry_id);
        NEW.body := NULL;
        NEW.sent := NULL;
        RETURN NEW;
    END IF;
    IF (NEW.body, NEW.sent, NEW.edited_by) IS NOT DISTINCT FROM (OLD.body, OLD.sent, OLD.edited_by)
        AND (NEW.tenant, NEW.entry_id) IS NOT DISTINCT FROM (OLD.tenant, OLD.entry_id)
    THEN
        RETURN NEW;
    END IF;
    IF NEW.sent IS DISTINCT FROM coalesce(OLD.sent, OLD.body) OR NOT EXISTS (
        SELECT FROM system_records AS r
        WHERE r.tenant = NEW.tenant AND r.target_id = NEW.id::text AND r.action = 'dead_letter.edit'
            AND r.actor_id = NEW.edited_by
            AND r.metadata ->> 'entry_id' = NEW.entry_id::text
            AND r.metadata ->> 'sha256_before' = encode(sha256(OLD.body), 'hex')
            AND r.metadata ->> 'sha256_after' = encode(sha256(NEW.body), 'hex')
    ) THEN
        RAISE EXCEPTION 'an edit of the dead letter % without a record of it is refused', NEW.id
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$;

INSERT INTO system_records (tenant, action, actor_type, actor_id, target_type, target_id, metadata)
SELECT coalesce(d.tenant, '_trenova'), 'dead_letter.baseline', 'system', 'trenova-migrate', 'dead_letter', d.id::text,
    jsonb_strip_nulls(jsonb_build_object(
        'entry_id', d.entry_id, 'batch_id', d.batch_id, 'edited_by', d.edited_by,
        'sha256_before', encode(sha256(d.sent), 'hex'), 'sha256_after', encode(sha256(d.body), 'hex')
    ))
FROM dead_letters AS d
WHERE d.edited_by IS NOT NULL OR d.sent IS NOT NULL;

CREATE TRIGGER only_recorded BEFORE UPDATE ON dead_letters FOR EACH ROW EXECUTE FUNCTION guard_letter();

-- Puts another body in the place of a parked one, and has it tried at once. Gives whether one is parked.
CREATE FUNCTION edit_letter(letter uuid, of_tenant text, of_entry uuid, new_body bytea, by_key text)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    parked dead_letters%ROWTYPE;
BEGIN
    IF NOT EXISTS (
        SELECT FROM api_keys AS k
        WHERE k.id = by_key AND k.role = 'admin' AND k.revoked_at IS NULL AND (k.tenant IS NULL OR k.tenant = of_tenant)
    ) THEN
        RAISE EXCEPTION 'an edit for the tenant % by the API key % is refused', of_tenant, by_key
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT * INTO parked FROM dead_letters AS d WHERE d.id = letter AND d.stored_at IS NULL FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO system_records (tenant, action, actor_type, actor_id, target_type, target_id, metadata)
    VALUES (
        of_tenant, 'dead_letter.edit', 'api_key', by_key, 'dead_letter', letter::text,
        jsonb_build_object(
            'entry_id', of_entry, 'batch_id', parked.batch_id, 'login', session_user,
            'sha256_before', encode(sha256(parked.body), 'hex'), 'sha256_after', encode(sha256(new_body), 'hex')
        )
    );
    UPDATE dead_letters AS d SET
        sent = coalesce(d.sent, d.body), body = new_body, tenant = of_tenant, entry_id = of_entry, edited_by = by_key,
        next_try_at = clock_timestamp()
    WHERE d.id = letter;
    RETURN true;
END
$$;

-- Has parked entries tried at once: one of them, a tenant's, or all. Gives how many.
CREATE FUNCTION make_letters_due(of_tenant text, letter uuid) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    made bigint;
BEGIN
    UPDATE dead_letters AS d SET next_try_at = clock_timestamp()
    WHERE d.stored_at IS NULL
        AND (of_tenant IS NULL OR d.tenant = of_tenant)
        AND (letter IS NULL OR d.id = letter);
    GET DIAGNOSTICS made = ROW_COUNT;
    RETURN made;
END
$$;

-- The size and root that a checkpoint speaks of, as its lines behind the first, the origin; NULL where it has none.
CREATE FUNCTION checkpoint_claim(note bytea) RETURNS bytea LANGUAGE sql IMMUTABLE
RETURN CASE WHEN position('\x0a0a'::bytea IN note) > 0 THEN
    substring(
        note FROM position('\x0a'::bytea IN note)
        FOR position('\x0a0a'::bytea IN note) - position('\x0a'::bytea IN note)
    )
END;

-- Signatures may come to a checkpoint, after a change of keys or of the origin. What it says of the tree stays.
CREATE TRIGGER only_signed_anew BEFORE UPDATE ON checkpoints FOR EACH ROW
    WHEN (
        (NEW.tenant, NEW.size) IS DISTINCT FROM (OLD.tenant, OLD.size)
        OR checkpoint_claim(NEW.note) IS DISTINCT FROM coalesce(checkpoint_claim(OLD.note), checkpoint_claim(NEW.note))
        OR checkpoint_claim(NEW.note) IS NULL
    )
    EXECUTE FUNCTION refuse_change();

-- Checkpoints of locked heads, for the first time or with more signatures than before. Those of another size stay out.
CREATE FUNCTION sign_anew(tenants text[], sizes bigint[], notes bytea[]) RETURNS void
LANGUAGE sql SECURITY DEFINER AS $$
    INSERT INTO checkpoints (tenant, size, note)
    SELECT made.tenant, made.size, made.note
    FROM unnest(tenants, sizes, notes) AS made (tenant, size, note)
    JOIN heads AS h ON h.tenant = made.tenant AND h.size = made.size
    ON CONFLICT (tenant, size) DO UPDATE SET note = excluded.note, signed_at = excluded.signed_at
$$;

-- As before, and what tells of keys, edits, policies and holds is passed over: by the ids that the database knows, not
-- by what an entry says of itself, which its sender chose.
CREATE OR REPLACE FUNCTION expired_entries(
    of_tenant text, from_index bigint,
    OUT days integer, OUT cut_off timestamptz, OUT indexes bigint[], OUT bytes bigint, OUT held bigint,
    OUT young_from bigint, OUT next_index bigint, OUT more boolean
) LANGUAGE plpgsql STABLE SET enable_sort = off SET enable_seqscan = off AS $$
DECLARE
    at_most CONSTANT integer := 1000;
    most_bytes CONSTANT bigint := 64 * 1024 * 1024;
    longest CONSTANT integer := 10000;
    patience CONSTANT integer := 1000;
    walked integer := 0;
    young integer := 0;
    one record;
BEGIN
    days := retention_days(of_tenant);
    cut_off := clock_timestamp() - make_interval(days => days);
    indexes := '{}';
    bytes := 0;
    held := 0;
    next_index := from_index;
    more := false;
    IF days IS NULL THEN
        RETURN;
    END IF;
    FOR one IN
        SELECT e.index, e.body IS NULL AS gone, e.received_at >= cut_off AS young, octet_length(e.body) AS size,
            e.body IS NOT NULL AND e.received_at < cut_off AND EXISTS (
                SELECT FROM legal_holds AS h
                WHERE h.released_at IS NULL
                    AND h.tenant IN ('*', e.tenant)
                    AND (h.actor IS NULL OR h.actor = e.actor_id)
                    AND (h.action IS NULL OR h.action = e.action
                        OR (right(h.action, 1) = '*' AND starts_with(e.action, left(h.action, -1))))
                    AND (h.target IS NULL OR h.target = e.target_id)
                    AND (h.occurred_from IS NULL OR e.occurred_at >= h.occurred_from)
                    AND (h.occurred_to IS NULL OR e.occurred_at < h.occurred_to)
            ) AS held,
            e.body IS NOT NULL AND e.received_at < cut_off AND (
                EXISTS (SELECT FROM removals AS r WHERE r.tenant = e.tenant AND r.entry_id = e.id)
                OR EXISTS (SELECT FROM system_records AS r WHERE r.tenant = e.tenant AND r.id = e.id)
            ) AS tells
        FROM entries AS e
        WHERE e.tenant = of_tenant AND e.index >= from_index
        ORDER BY e.index
        LIMIT longest
    LOOP
        next_index := one.index + 1;
        walked := walked + 1;
        IF one.gone OR one.tells THEN
            NULL;
        ELSIF one.young THEN
            young := young + 1;
            young_from := coalesce(young_from, one.index);
        ELSIF one.held THEN
            held := held + 1;
            young := 0;
        ELSE
            indexes := indexes || one.index;
            bytes := bytes + one.size;
            young := 0;
        END IF;
        more := true;
        EXIT WHEN cardinality(indexes) >= at_most OR bytes >= most_bytes;
        more := walked >= longest;
        IF young >= patience THEN
            more := false;
            EXIT;
        END IF;
    END LOOP;
END
$$;
