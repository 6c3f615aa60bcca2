-- Dead letters, newest first. A tenant of NULL means all of them, those that name none too.
SELECT id, tenant, entry_id, batch_id, ordinal, body, sent IS NOT NULL AS edited, edited_by, code, reason, attempts,
    parked_at, tried_at, next_try_at, stored_at
FROM dead_letters
WHERE (%(tenant)s::text IS NULL OR tenant = %(tenant)s)
    AND (%(before)s::uuid IS NULL OR id < %(before)s)
    AND (%(id)s::uuid IS NULL OR id = %(id)s)
    AND (%(parked)s::boolean IS NULL OR (stored_at IS NULL) = %(parked)s)
ORDER BY id DESC
LIMIT %(limit)s
