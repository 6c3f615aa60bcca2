-- Append the new hashes to those that a tile has, and return what each tile holds then.
INSERT INTO tiles AS t (tenant, level, index, hashes)
SELECT * FROM unnest(%(tenants)s::text[], %(levels)s::smallint[], %(indexes)s::bigint[], %(hashes)b::bytea[])
ON CONFLICT (tenant, level, index) DO UPDATE SET hashes = t.hashes || excluded.hashes
RETURNING tenant, level, index, hashes
