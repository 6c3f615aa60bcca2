-- Dead letters, newest first. A tenant of NULL means all of them, those that name none too. Bodies only where they are
-- asked for; a page ends behind the one with which it exceeds max_bytes, and those behind it are never read.
WITH found AS (
    SELECT *
    FROM dead_letters
    WHERE (%(tenant)s::text IS NULL OR tenant = %(tenant)s)
        AND (%(before)s::uuid IS NULL OR id < %(before)s)
        AND (%(id)s::uuid IS NULL OR id = %(id)s)
        AND (%(parked)s::boolean IS NULL OR (stored_at IS NULL) = %(parked)s)
    ORDER BY id DESC
    LIMIT %(limit)s
), measured AS (
    SELECT *, sum(octet_length(body)) OVER (ORDER BY id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
    FROM found
)
SELECT id, tenant, entry_id, batch_id, ordinal, CASE WHEN %(bodies)s THEN body END AS body, sent IS NOT NULL AS edited,
    edited_by, code, reason, attempts, parked_at, tried_at, next_try_at, stored_at
FROM measured
WHERE NOT %(bodies)s OR coalesce(before, 0) <= %(max_bytes)s
ORDER BY id DESC
