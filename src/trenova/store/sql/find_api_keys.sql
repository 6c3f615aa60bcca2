-- Which of these (id, hash) are valid keys.
SELECT id, hash, name, tenant, role, created_at FROM find_api_keys(%(ids)s::text[], %(hashes)b::bytea[])
