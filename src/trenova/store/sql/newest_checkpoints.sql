-- The newest checkpoint of each of these ledgers; those that were never signed are absent.
SELECT asked.tenant, newest.size, newest.note, newest.signed_at
FROM unnest(%(tenants)s::text[]) AS asked (tenant)
CROSS JOIN LATERAL (
    SELECT c.size, c.note, c.signed_at FROM checkpoints AS c WHERE c.tenant = asked.tenant ORDER BY c.size DESC LIMIT 1
) AS newest
