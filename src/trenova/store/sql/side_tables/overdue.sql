-- Which of these entries should have been removed: they lie before the position of retention, are old enough, and
-- nothing keeps them.
SELECT e.index
FROM entries AS e
WHERE e.tenant = %(tenant)s AND e.index = ANY(%(indexes)s::bigint[]) AND e.body IS NOT NULL
    AND e.received_at < now() - coalesce(make_interval(days => retention_days(%(tenant)s)), interval '0')
    AND NOT EXISTS (
        SELECT FROM legal_holds AS h
        WHERE h.released_at IS NULL
            AND h.tenant IN ('*', e.tenant)
            AND (h.actor IS NULL OR h.actor = e.actor_id)
            AND (h.action IS NULL OR h.action = e.action
                OR (right(h.action, 1) = '*' AND starts_with(e.action, left(h.action, -1))))
            AND (h.target IS NULL OR h.target = e.target_id)
            AND (h.occurred_from IS NULL OR e.occurred_at >= h.occurred_from)
            AND (h.occurred_to IS NULL OR e.occurred_at < h.occurred_to)
    )
    AND NOT EXISTS (SELECT FROM removals AS r WHERE r.tenant = e.tenant AND r.entry_id = e.id)
    AND NOT EXISTS (SELECT FROM system_records AS r WHERE r.tenant = e.tenant AND r.id = e.id)
ORDER BY e.index
