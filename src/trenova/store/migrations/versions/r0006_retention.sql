-- What an entry says is in these nine columns, and leaves them together. What stays: whose it was, its id (taken for ever),
-- its place, when it was received, and its commitment, which says nothing without the salt.
ALTER TABLE entries
    ALTER COLUMN occurred_at DROP NOT NULL,
    ALTER COLUMN actor_type DROP NOT NULL,
    ALTER COLUMN actor_id DROP NOT NULL,
    ALTER COLUMN action DROP NOT NULL,
    ALTER COLUMN target_type DROP NOT NULL,
    ALTER COLUMN target_id DROP NOT NULL,
    ALTER COLUMN outcome DROP NOT NULL,
    DROP CONSTRAINT salt_and_body_go_together,
    ADD CONSTRAINT content_goes_together CHECK (
        num_nulls(occurred_at, actor_type, actor_id, action, target_type, target_id, outcome, salt, body) IN (0, 9)
    );
COMMENT ON COLUMN entries.body IS 'The exact canonical JSON; NULL once removed, and with it the columns that repeat parts of it.';

-- Without the removed: their columns are NULL, which a search from the newest back would have to walk through first.
DROP INDEX entries_by_time, entries_by_time_anywhere, entries_by_actor, entries_by_target, entries_by_action;
CREATE INDEX entries_by_time ON entries (tenant, occurred_at, id) WHERE body IS NOT NULL;
CREATE INDEX entries_by_time_anywhere ON entries (occurred_at, tenant, id) WHERE body IS NOT NULL;
CREATE INDEX entries_by_actor ON entries (tenant, actor_id, occurred_at, id) WHERE body IS NOT NULL;
CREATE INDEX entries_by_target ON entries (tenant, target_id, occurred_at, id) WHERE body IS NOT NULL;
CREATE INDEX entries_by_action ON entries (tenant, action, occurred_at, id) WHERE body IS NOT NULL;

-- Without removal there is nothing to vacuum. With it, a fiftieth of the table waits for its reuse, not a fifth.
ALTER TABLE entries SET (autovacuum_vacuum_scale_factor = 0.02, toast.autovacuum_vacuum_scale_factor = 0.02);

DROP TRIGGER append_only ON entries;
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER only_removed BEFORE UPDATE ON entries FOR EACH ROW
    WHEN (
        OLD.body IS NULL
        OR num_nonnulls(
            NEW.occurred_at, NEW.actor_type, NEW.actor_id, NEW.action, NEW.target_type, NEW.target_id, NEW.outcome,
            NEW.salt, NEW.body
        ) > 0
        OR (NEW.tenant, NEW.id, NEW.index, NEW.received_at, NEW.commitment)
            IS DISTINCT FROM (OLD.tenant, OLD.id, OLD.index, OLD.received_at, OLD.commitment)
    )
    EXECUTE FUNCTION refuse_change();

-- Who may use the application's role may not decide what is kept: it reads these tables, the owner writes them.
CREATE TABLE retention_policies (
    tenant text COLLATE "C" PRIMARY KEY CHECK (tenant <> ''),
    days integer CHECK (days BETWEEN 1 AND 36500),
    set_by text NOT NULL CHECK (set_by <> ''),
    set_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE retention_policies IS 'How long content is kept. A tenant without a row follows that of *; without one it is kept for ever.';
COMMENT ON COLUMN retention_policies.tenant IS '*: every tenant without a row, but for those of the system, whose names begin with _.';
COMMENT ON COLUMN retention_policies.days IS 'Since it was received; NULL: for ever.';

CREATE TABLE legal_holds (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant text COLLATE "C" NOT NULL CHECK (tenant <> ''),
    actor text COLLATE "C",
    action text COLLATE "C",
    target text COLLATE "C",
    occurred_from timestamptz,
    occurred_to timestamptz,
    name text NOT NULL CHECK (name <> ''),
    reason text NOT NULL CHECK (reason <> ''),
    placed_by text NOT NULL CHECK (placed_by <> ''),
    placed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    release_reason text CHECK (release_reason <> ''),
    released_by text CHECK (released_by <> ''),
    released_at timestamptz,
    CONSTRAINT released_as_a_whole CHECK (num_nulls(release_reason, released_by, released_at) IN (0, 3))
);
COMMENT ON TABLE legal_holds IS 'What retention must leave alone: entries that match all filters of a hold, as in a search; NULL matches any.';
COMMENT ON COLUMN legal_holds.tenant IS '*: every tenant.';
COMMENT ON COLUMN legal_holds.action IS 'The action, or its beginning followed by *.';
COMMENT ON COLUMN legal_holds.occurred_to IS 'Up to, but not including this moment.';

CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON legal_holds
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER only_released BEFORE UPDATE ON legal_holds FOR EACH ROW
    WHEN (
        OLD.released_at IS NOT NULL OR NEW.released_at IS NULL
        OR (NEW.id, NEW.tenant, NEW.actor, NEW.action, NEW.target, NEW.occurred_from, NEW.occurred_to, NEW.name,
            NEW.reason, NEW.placed_by, NEW.placed_at)
            IS DISTINCT FROM (OLD.id, OLD.tenant, OLD.actor, OLD.action, OLD.target, OLD.occurred_from,
            OLD.occurred_to, OLD.name, OLD.reason, OLD.placed_by, OLD.placed_at)
    )
    EXECUTE FUNCTION refuse_change();

CREATE TABLE retention_positions (
    tenant text COLLATE "C" PRIMARY KEY,
    index bigint NOT NULL CHECK (index >= 0)
);
COMMENT ON TABLE retention_positions IS 'Where retention goes on in a log: before it, everything is removed or kept for a reason other than its age.';

-- What a hold kept lies behind its log's position: it is gone through again once the hold is released.
CREATE FUNCTION go_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM retention_positions AS p WHERE NEW.tenant IN ('*', p.tenant);
    RETURN NULL;
END
$$;
CREATE TRIGGER go_back AFTER UPDATE ON legal_holds FOR EACH ROW EXECUTE FUNCTION go_back();

CREATE TABLE removals (
    tenant text COLLATE "C" NOT NULL,
    entry_id uuid NOT NULL DEFAULT gen_random_uuid(),
    indexes int8multirange NOT NULL CHECK (NOT isempty(indexes)),
    entries bigint NOT NULL CHECK (entries > 0),
    bytes bigint NOT NULL CHECK (bytes > 0),
    days integer NOT NULL,
    cut_off timestamptz NOT NULL,
    removed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, entry_id)
);
COMMENT ON TABLE removals IS 'Every removal, one a transaction. Only remove_entries writes here.';
COMMENT ON COLUMN removals.entry_id IS 'The entry of the same log that tells of it: stored by the same transaction, and never removed itself.';
COMMENT ON COLUMN removals.bytes IS 'Of the bodies.';

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON removals
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Looked at when the transaction commits: neither the removal nor the entry that tells of it is there without the other.
CREATE FUNCTION refuse_unrecorded() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM entries AS e
        WHERE e.tenant = NEW.tenant AND e.id = NEW.entry_id AND e.action = 'retention.remove'
    ) THEN
        RAISE EXCEPTION 'a removal from the log of % without the entry % that tells of it is refused', NEW.tenant, NEW.entry_id
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER recorded AFTER INSERT ON removals DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION refuse_unrecorded();

CREATE FUNCTION retention_days(of_tenant text) RETURNS integer LANGUAGE sql STABLE
RETURN (
    SELECT p.days
    FROM retention_policies AS p
    WHERE p.tenant = of_tenant OR (p.tenant = '*' AND NOT starts_with(of_tenant, '_'))
    ORDER BY p.tenant = '*'
    LIMIT 1
);

-- A walk along one log from an index on, over at most 10,000 entries, to at most 1,000 that may be removed: those received
-- before the cut-off, not under hold, and not telling of a removal. It is over (`more` is false) behind a thousand entries
-- together that are too young: logs are in the order of storing, so received_at only wavers by what an entry waited.
CREATE FUNCTION expired_entries(
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
            e.body IS NOT NULL AND e.received_at < cut_off AND EXISTS (
                SELECT FROM removals AS r WHERE r.tenant = e.tenant AND r.entry_id = e.id
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

-- The only way in which content leaves the log. Everything that decides is read here, nothing is believed: an index to
-- start from can but pass entries over. The caller must append the entry `entry_id` in the same transaction.
CREATE FUNCTION remove_entries(
    of_tenant text, from_index bigint,
    OUT entry_id uuid, OUT indexes int8multirange, OUT entries bigint, OUT bytes bigint, OUT days integer,
    OUT cut_off timestamptz, OUT removed_at timestamptz, OUT next_index bigint, OUT more boolean
) LANGUAGE plpgsql SECURITY DEFINER SET enable_sort = off SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    start bigint;
    began bigint;
    walk record;
BEGIN
    -- In a snapshot from before, a hold that was placed since would not be seen.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'a removal in a transaction that is not read committed is refused'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    -- Whoever places a hold waits for the removals that run, and those that follow wait for him: once a hold is placed,
    -- nothing that it matches goes.
    LOCK TABLE legal_holds, retention_policies IN SHARE MODE;
    INSERT INTO retention_positions (tenant, index) VALUES (of_tenant, 0) ON CONFLICT DO NOTHING;
    SELECT p.index INTO start FROM retention_positions AS p WHERE p.tenant = of_tenant FOR UPDATE;
    began := greatest(start, from_index);
    SELECT * INTO walk FROM expired_entries(of_tenant, began);
    next_index := walk.next_index;
    more := walk.more;
    IF began = start THEN
        UPDATE retention_positions AS p SET index = coalesce(walk.young_from, walk.next_index)
        WHERE p.tenant = of_tenant AND p.index <> coalesce(walk.young_from, walk.next_index);
    END IF;
    IF cardinality(walk.indexes) = 0 THEN
        RETURN;
    END IF;
    UPDATE entries AS e SET
        occurred_at = NULL, actor_type = NULL, actor_id = NULL, action = NULL, target_type = NULL, target_id = NULL,
        outcome = NULL, salt = NULL, body = NULL
    WHERE e.tenant = of_tenant AND e.index = ANY (walk.indexes);
    INSERT INTO removals AS r (tenant, indexes, entries, bytes, days, cut_off)
    SELECT of_tenant, range_agg(int8range(i, i + 1)), count(*), walk.bytes, walk.days, walk.cut_off
    FROM unnest(walk.indexes) AS i
    RETURNING r.entry_id, r.indexes, r.entries, r.bytes, r.days, r.cut_off, r.removed_at
    INTO entry_id, indexes, entries, bytes, days, cut_off, removed_at;
END
$$;

-- Names mean what they meant here, whatever the caller has made in his temporary schema.
DO $$
DECLARE
    name regprocedure;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'go_back()', 'refuse_unrecorded()', 'expired_entries(text, bigint)', 'remove_entries(text, bigint)'
    ]::regprocedure[] LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', name, current_schema());
    END LOOP;
END
$$;
REVOKE EXECUTE ON FUNCTION remove_entries(text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION remove_entries(text, bigint) TO trenova_app;

GRANT SELECT ON retention_policies, legal_holds, retention_positions, removals TO trenova_app;
