-- These tiles by (tenant, level, index); missing ones are absent.
SELECT t.tenant, t.level, t.index, t.hashes
FROM unnest(%(tenants)s::text[], %(levels)s::smallint[], %(indexes)s::bigint[]) AS asked (tenant, level, index)
JOIN tiles AS t ON t.tenant = asked.tenant AND t.level = asked.level AND t.index = asked.index
