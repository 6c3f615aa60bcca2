-- Keep a conflicting checkpoint, unless it is stored already: then, and where there is no room for more, its counter
-- is increased.
WITH there AS (
    SELECT number FROM refused_checkpoints
    WHERE origin = %(origin)s AND place = %(place)s
        AND (number = 100 OR (note, status) = (%(note)b, %(status)s))
    ORDER BY number
    LIMIT 1
), counted AS (
    UPDATE refused_checkpoints AS r
    SET times = r.times + 1, last_refused_at = clock_timestamp(), settled_at = NULL
    FROM there
    WHERE r.origin = %(origin)s AND r.place = %(place)s AND r.number = there.number
)
INSERT INTO refused_checkpoints (origin, place, number, size, note, status, answer, reason)
SELECT %(origin)s, %(place)s, 1 + coalesce(max(r.number), 0), %(size)s, %(note)b, %(status)s, %(answer)b, %(reason)s
FROM refused_checkpoints AS r
WHERE r.origin = %(origin)s AND r.place = %(place)s
HAVING NOT EXISTS (SELECT FROM there)
ON CONFLICT (origin, place, number) DO NOTHING
