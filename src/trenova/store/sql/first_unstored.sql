-- The first row of the batch that is not in its ledger after the insert: neither new nor a duplicate.
SELECT i.tenant, i.id
FROM pg_temp.incoming AS i
WHERE NOT EXISTS (SELECT FROM entries AS e WHERE e.tenant = i.tenant AND e.id = i.id OFFSET 0)
ORDER BY i.ordinal
LIMIT 1
