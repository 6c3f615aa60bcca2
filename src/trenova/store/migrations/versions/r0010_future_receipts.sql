-- As before, but an entry is as old as it says or as the checkpoint that was signed when it was stored, whichever is
-- longer ago: nothing was received after it was stored. Clocks that ran ahead, and batches that were made by hand, have
-- left entries that were received in the future. Those stayed for ever, and a thousand of them ended every walk.
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
        SELECT e.index, e.body IS NULL AS gone, e.since >= cut_off AS young, octet_length(e.body) AS size,
            e.body IS NOT NULL AND e.since < cut_off AND EXISTS (
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
            e.body IS NOT NULL AND e.since < cut_off AND (
                EXISTS (SELECT FROM removals AS r WHERE r.tenant = e.tenant AND r.entry_id = e.id)
                OR EXISTS (SELECT FROM system_records AS r WHERE r.tenant = e.tenant AND r.id = e.id)
            ) AS tells
        FROM (
            SELECT w.*, CASE WHEN w.received_at < cut_off THEN w.received_at ELSE least(w.received_at, (
                SELECT c.signed_at FROM checkpoints AS c
                WHERE c.tenant = w.tenant AND c.size > w.index
                ORDER BY c.size
                LIMIT 1
            )) END AS since
            FROM entries AS w
            WHERE w.tenant = of_tenant AND w.index >= from_index
            ORDER BY w.index
            LIMIT longest
        ) AS e
        ORDER BY e.index
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

-- Lost with the replacement.
DO $$
BEGIN
    EXECUTE format(
        'ALTER FUNCTION expired_entries(text, bigint) SET search_path = pg_catalog, %I, pg_temp', current_schema()
    );
END
$$;
