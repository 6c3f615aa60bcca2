-- The checkpoints of these ledgers at these sizes, NULL where there is none, and the size of the newest one of each.
SELECT asked.tenant, c.note, (SELECT max(n.size) FROM checkpoints AS n WHERE n.tenant = asked.tenant) AS newest
FROM unnest(%(tenants)s::text[], %(sizes)s::bigint[]) AS asked (tenant, size)
LEFT JOIN checkpoints AS c ON c.tenant = asked.tenant AND c.size = asked.size
