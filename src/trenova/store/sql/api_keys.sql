-- Oldest first, including revoked keys.
SELECT id, name, tenant, role, created_at, revoked_at FROM api_keys ORDER BY created_at, id
