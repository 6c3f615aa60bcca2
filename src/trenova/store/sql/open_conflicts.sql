-- The open conflicts of these ledgers in these places, the newest of each, with how many there are in all.
SELECT origin, place, size, reason, last_refused_at, count(*) OVER ()
FROM (
    SELECT DISTINCT ON (origin, place) origin, place, size, reason, last_refused_at
    FROM refused_checkpoints
    WHERE place = ANY(%(places)s) AND settled_at IS NULL AND starts_with(origin, %(prefix)s || '/')
    ORDER BY origin, place, last_refused_at DESC
) AS newest
ORDER BY place, origin
LIMIT %(limit)s
