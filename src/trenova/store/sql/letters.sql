-- Dead letters, newest first; a column for each field of `DeadLetter`. A tenant of NULL means all letters, including
-- those that name no tenant. Bodies only on request; a page ends with the body with which it exceeds max_bytes, and
-- later bodies are never read.
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
SELECT id, CASE WHEN stored_at IS NULL THEN 'parked' ELSE 'stored' END AS state,
    tenant, entry_id, batch_id, ordinal, code, reason, attempts, parked_at, tried_at,
    CASE WHEN stored_at IS NULL THEN next_try_at END AS next_try_at,
    edited_by, stored_at, CASE WHEN %(bodies)s THEN body END AS body
FROM measured
WHERE NOT %(bodies)s OR coalesce(before, 0) <= %(max_bytes)s
ORDER BY id DESC
