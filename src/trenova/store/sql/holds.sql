-- Oldest first, including released holds.
SELECT
    id, tenant, actor, action, target, occurred_from, occurred_to, name, reason, placed_by, placed_at,
    release_reason, released_by, released_at
FROM legal_holds
ORDER BY placed_at, id
