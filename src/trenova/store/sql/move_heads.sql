-- The locked heads as they are after the append.
UPDATE heads AS h SET size = after.size, frontier = after.frontier
FROM unnest(%(tenants)s::text[], %(sizes)s::bigint[], %(frontiers)b::bytea[]) AS after (tenant, size, frontier)
WHERE h.tenant = after.tenant
RETURNING h.tenant, h.size, h.frontier
