-- The rows of a stretch, whole, with their columns in the order of `store.rows.row`.
SELECT
    index, tenant, id, occurred_at, received_at, actor_type, actor_id, action, target_type, target_id, outcome,
    salt, commitment, body
FROM entries
WHERE tenant = %(tenant)s AND index >= %(first)s AND index < %(end)s
ORDER BY index
