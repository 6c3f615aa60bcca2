-- How many ledgers have an open conflict, by place.
SELECT place, count(DISTINCT origin)
FROM refused_checkpoints
WHERE place = ANY(%(places)s) AND settled_at IS NULL AND starts_with(origin, %(prefix)s || '/')
GROUP BY place
