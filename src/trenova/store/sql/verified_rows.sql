-- The whole rows of a stretch, with their columns in the order of `verification.rows.StoredRow`.
SELECT
    index, tenant, id, occurred_at, received_at, actor_type, actor_id, action, target_type, target_id, outcome,
    salt, commitment, body
FROM entries
WHERE tenant = %(tenant)s AND index >= %(first)s AND index < %(end)s
ORDER BY index
