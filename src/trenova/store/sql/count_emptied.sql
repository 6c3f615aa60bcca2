-- How many entries in these runs of a ledger have no content.
SELECT count(*)
FROM unnest(%(indexes)s::int8multirange) AS run
JOIN entries AS e ON e.tenant = %(tenant)s AND e.index >= lower(run) AND e.index < upper(run)
WHERE e.body IS NULL
