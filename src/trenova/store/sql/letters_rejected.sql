-- Rejected once more. The pause before the next retry doubles with each one, up to the longest.
UPDATE dead_letters AS d
SET tried_at = clock_timestamp(),
    attempts = d.attempts + 1,
    code = part.code,
    reason = part.reason,
    next_try_at = clock_timestamp() + least(%(pause)s * 2 ^ least(d.attempts, 20), %(longest)s)
FROM unnest(%(ids)s::uuid[], %(codes)s::text[], %(reasons)s::text[]) AS part (id, code, reason)
WHERE d.id = part.id
