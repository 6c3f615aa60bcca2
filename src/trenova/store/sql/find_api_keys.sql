-- Those of the (id, hash) that are good keys.
SELECT id, hash, name, tenant, role, created_at FROM find_api_keys(%(ids)s::text[], %(hashes)b::bytea[])
