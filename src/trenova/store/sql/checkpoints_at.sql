-- The checkpoints of these logs at these sizes; those that were never signed are absent.
SELECT c.tenant, c.note
FROM unnest(%(tenants)s::text[], %(sizes)s::bigint[]) AS asked (tenant, size)
JOIN checkpoints AS c ON c.tenant = asked.tenant AND c.size = asked.size
