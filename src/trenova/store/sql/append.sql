-- Store what is new with the next indexes, move the heads, note the batch. Runs with the heads locked, in a snapshot
-- taken after the lock, so what the first condition finds is final and no unique constraint can be met.
WITH fresh AS (
    INSERT INTO entries (
        tenant, index, id, occurred_at, received_at, actor_type, actor_id, action, target_type, target_id, outcome, body
    )
    SELECT
        i.tenant,
        h.size + row_number() OVER (PARTITION BY i.tenant ORDER BY i.ordinal) - 1,
        i.id, i.occurred_at, i.received_at, i.actor_type, i.actor_id, i.action, i.target_type, i.target_id, i.outcome, i.body
    FROM incoming AS i
    JOIN heads AS h ON h.tenant = i.tenant
    WHERE NOT EXISTS (SELECT FROM entries AS e WHERE e.tenant = i.tenant AND e.id = i.id)
        AND NOT EXISTS (
            SELECT FROM incoming AS twin WHERE twin.tenant = i.tenant AND twin.id = i.id AND twin.ordinal < i.ordinal
        )
    RETURNING tenant
),
stored AS (
    SELECT tenant, count(*)::integer AS stored FROM fresh GROUP BY tenant
),
received AS (
    SELECT tenant, count(*)::integer AS received FROM incoming GROUP BY tenant
),
moved AS (
    UPDATE heads AS h SET size = h.size + s.stored FROM stored AS s WHERE h.tenant = s.tenant
)
INSERT INTO batches (tenant, batch_id, first_index, stored, duplicate)
SELECT r.tenant, %(batch_id)s, h.size, coalesce(s.stored, 0), r.received - coalesce(s.stored, 0)
FROM received AS r
JOIN heads AS h ON h.tenant = r.tenant
LEFT JOIN stored AS s ON s.tenant = r.tenant
-- A batch that comes again, stores nothing and is already noted leaves no second note.
WHERE s.stored IS NOT NULL
    OR NOT EXISTS (SELECT FROM batches AS b WHERE b.batch_id = %(batch_id)s AND b.tenant = r.tenant)
